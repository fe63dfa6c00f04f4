/** The plan of a round, drawn from its seed: locks, processes and nemeses. */
import { Random } from '../src/testing/random.ts'
import type { TracedClaim } from './trace/event.ts'

/** Where a lock is: on the disk; in memory; on a small file system that can be filled; at a path too long for a socket. */
export type Place = 'disk' | 'memory' | 'small' | 'deep'

export interface LockPlan {
  /** A letter. The names of requests for the lock begin with it. */
  readonly id: string
  readonly place: Place
  /** The claims of its requests. A claim that is listed twice is used twice as often. */
  readonly claims: readonly TracedClaim[]
  /** True if its directory is removed now and then. */
  readonly isFragile: boolean
}

/** How a client runs: as a process; with worker threads; as the primary of a cluster; in a container; with its own clock. */
export type Habitat = 'process' | 'threads' | 'cluster' | 'container' | 'clock'

/** How the clients of a round behave; it is the same for all of them. */
export interface Behaviour {
  /** How many loops of requests it runs at the same time. */
  readonly actors: number
  /** The longest hold and the longest pause between two requests, in ms. Most are much shorter. */
  readonly holdMs: number
  readonly pauseMs: number
  /** The fraction of requests that are tries, have a timeout, are cancelled, are made several at once, or contain another request. */
  readonly tries: number
  readonly timeouts: number
  readonly aborts: number
  readonly bursts: number
  readonly nested: number
  readonly queries: number
  /** The fraction of exclusive holders that downgrade. */
  readonly downgrades: number
  /** How long clients keep their sockets after use, in ms. A value that is listed twice is used twice as often. */
  readonly lingers: readonly number[]
}

export interface RoundPlan {
  readonly seed: number
  /** The limits that the plan was drawn with, besides the seed. */
  readonly processes: number
  readonly seconds: number
  readonly locks: readonly LockPlan[]
  readonly habitats: readonly Habitat[]
  readonly behaviour: Behaviour
  /** True if waiters check the queue once a second. Without that check, a lost wake-up can't hide. */
  readonly hasBelt: boolean
  /** The average time between two actions of each nemesis, in ms, by its name. */
  readonly nemeses: Readonly<Record<string, number>>
}

export interface RoundLimits {
  readonly seconds: number
  readonly processes: number
  /** The places that this machine has. */
  readonly places: readonly Place[]
  readonly habitats: readonly Habitat[]
  /** The average time between two actions of each nemesis, in ms, by its name. */
  readonly nemeses: Readonly<Record<string, number>>
}

const CLAIMS: readonly (readonly TracedClaim[])[] = [
  ['exclusive'],
  ['exclusive'],
  ['exclusive', 'shared'],
  ['exclusive', 'shared', 'shared', 'shared'],
  ['permits:1'],
  ['permits:2'],
  ['permits:3'],
  ['permits:4', 'permits:4', 'permits:4/2', 'permits:4/3'],
  // The number of permits changes while some are held.
  ['permits:2', 'permits:3', 'permits:3/2', 'permits:1'],
]

export function planRound(seed: number, limits: RoundLimits): RoundPlan {
  const random = new Random(seed)
  const { processes } = limits
  // Some rounds have no faults: the end of a connection wakes waiters, and so can hide a lost wake-up.
  const calamity = random.pick([0, 0.2, 0.5, 0.8])
  const count = processes <= 2 ? processes : 2 + random.below(processes - 1)
  const nemeses = Object.entries(limits.nemeses).filter(() => random.chance(calamity))
  const areRemoved = nemeses.some(([name]) => name === 'remove directory')
  return {
    seed,
    processes,
    seconds: limits.seconds,
    locks: Array.from({ length: 1 + random.below(3) }, (_, index) =>
      planLock(random, index, limits.places, areRemoved),
    ),
    habitats: Array.from({ length: count }, () => (random.chance(0.6) ? 'process' : random.pick(limits.habitats))),
    behaviour: planBehaviour(random),
    hasBelt: random.chance(0.3),
    nemeses: Object.fromEntries(
      nemeses.map(([name, everyMs]) => [name, Math.round(everyMs * (0.3 + 1.4 * random.fraction()))]),
    ),
  }
}

function planLock(random: Random, index: number, places: readonly Place[], areRemoved: boolean): LockPlan {
  return {
    id: String.fromCharCode('a'.charCodeAt(0) + index),
    place: random.pick(places),
    claims: random.pick(CLAIMS),
    isFragile: areRemoved && random.chance(0.5),
  }
}

function planBehaviour(random: Random): Behaviour {
  const some = (most: number): number => (random.chance(0.6) ? most * random.fraction() : 0)
  return {
    actors: 1 + random.below(4),
    holdMs: random.pick([0, 0, 0, 1, 5, 20]),
    pauseMs: random.pick([0, 0, 0, 3, 30]),
    tries: some(0.5),
    timeouts: some(0.4),
    aborts: some(0.4),
    bursts: some(0.2),
    nested: some(0.1),
    queries: some(0.02),
    lingers: random.pick([[1000], [1000], [0], [0, 5, 1000]]),
    downgrades: some(0.5),
  }
}
