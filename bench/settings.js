// How much is measured. `quick` only checks that everything runs: its numbers mean nothing.

export const FULL = {
  repeat: 3,
  hot: { warmMs: 300, runMs: 1000, straceCycles: 200 },
  cold: { locks: 200 },
  // From a cold start: the cost for a program that takes a lock now and then. After `longWarmMs`, V8 has optimized all code.
  handOff: { processes: [2, 8, 32], emptyProcesses: 8, warmMs: 0, longWarmMs: 20_000, runMs: 4000, graceMs: 4000 },
  waiting: {
    clients: [10, 100, 1000],
    processes: 4,
    settleMs: 1000,
    handOffs: 100,
    holdMs: 20,
    joins: 40,
    quietMs: 20,
  },
  crowd: {
    requests: [1, 1000, 4000, 16_000, 100_000],
    permitRequests: [1000, 4000, 16_000],
    heldPermits: 1000,
    runMs: 500,
    limitMs: 20_000,
  },
  updates: { processes: 4, updates: 20 },
  manyNames: { locks: 10_000, settleMs: 1500, repeat: 2 },
  takeover: { kills: 170, batch: 17, pauseMs: 20, oneLimitMs: 15_000, slowMs: 25_000 },
  idle: { processes: 100, settleMs: 20_000, runMs: 10_000, repeat: 1 },
  weight: { pairs: 7 },
  command: { runs: 2, repeat: 16 },
  sync: { runs: 10, blocks: 15, holdMs: [200, 300], tailMs: 200 },
}

export const QUICK = {
  repeat: 1,
  hot: { warmMs: 10, runMs: 30, straceCycles: 10 },
  cold: { locks: 5 },
  handOff: { processes: [2], emptyProcesses: 3, warmMs: 0, longWarmMs: 100, runMs: 150, graceMs: 500 },
  waiting: { clients: [4, 10], processes: 2, settleMs: 200, handOffs: 6, holdMs: 10, joins: 2, quietMs: 10 },
  crowd: { requests: [1, 1000], permitRequests: [100], heldPermits: 100, runMs: 20, limitMs: 5000 },
  updates: { processes: 2, updates: 3 },
  manyNames: { locks: 50, settleMs: 1200, repeat: 1 },
  takeover: { kills: 2, batch: 2, pauseMs: 20, oneLimitMs: 500, slowMs: 0 },
  idle: { processes: 1, settleMs: 100, runMs: 300, repeat: 1 },
  weight: { pairs: 1 },
  command: { runs: 1, repeat: 1 },
  sync: { runs: 1, blocks: 1, holdMs: [100, 100], tailMs: 100 },
}
