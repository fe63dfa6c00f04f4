// Within one process. By default it rejects if more than 1,000 wait.
import AsyncLock from 'async-lock'

export function open() {
  const lock = new AsyncLock({ maxPending: Infinity })
  return {
    acquire: () => new Promise((resolve) => lock.acquire('key', (done) => resolve(done), ignore)),
    release: (done) => done(),
  }
}

function ignore() {}
