/** Controls a process whose steps are counted: see fixtures/steps.ts. */
import assert from 'node:assert/strict'
import type { Client, ClientOptions } from './client.ts'
import type { PlainOptions, StepPlan } from './commands.ts'

/** For `Scene.spawn`. */
export const WITH_STEPS: ClientOptions = {
  preload: new URL('../fixtures/steps.js', import.meta.url).href,
}

/** No step is changed. */
export function noPlan(path: string): StepPlan {
  return { path, at: 0, when: 'before', deed: { kind: 'none' } }
}

/** Makes every step of this name fail. */
export function failEvery(path: string, step: string, code: string): StepPlan {
  return { ...noPlan(path), every: step, deed: { kind: 'fail', code } }
}

/** The steps since the plan. */
export async function stepsOf(client: Client): Promise<readonly string[]> {
  client.send({ do: 'steps' })
  return (await client.next('steps')).steps!
}

/** The number of the first step of this name in a run that begins and ends with nothing at the path. */
export async function numberOfStep(
  client: Client,
  path: string,
  step: string,
  options: PlainOptions = { linger: 0 },
  sync = false,
): Promise<number> {
  client.send({ do: 'plan', plan: noPlan(path) }, { do: 'contend', path, rounds: 1, options, sync })
  await client.next('done')
  const index = (await stepsOf(client)).indexOf(step)
  assert.notEqual(index, -1)
  return index + 1
}
