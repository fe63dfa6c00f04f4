/** What a round is made of, drawn from its seed: the locks, the processes, and what befalls them. */
import { Random } from '../src/testing/random.ts'
import type { TracedClaim } from './trace/event.ts'

/** Where a lock lies: on the disk; in memory; on a small file system that can be filled; at a path too long for a socket. */
export type Place = 'disk' | 'memory' | 'small' | 'deep'

export interface LockPlan {
  /** A letter; requests for it begin with it. */
  readonly id: string
  readonly place: Place
  /** What is asked for, each as often as it stands here. */
  readonly claims: readonly TracedClaim[]
  /** Whether its directory is removed now and then. */
  readonly isFragile: boolean
}

/** How a client lives: as a process; one with worker threads; the primary of a cluster; in a container; with a clock of its own. */
export type Habitat = 'process' | 'threads' | 'cluster' | 'container' | 'clock'

/** How a client behaves: all of one round behave alike. */
export interface Manners {
  /** How many requests it makes one after the other, at once. */
  readonly actors: number
  /** The longest hold and the longest pause between two requests, in ms. Most are much shorter. */
  readonly holdMs: number
  readonly pauseMs: number
  /** What part of the requests are tries, have a timeout, are cancelled, are made many at once, or have another one within. */
  readonly tries: number
  readonly timeouts: number
  readonly aborts: number
  readonly bursts: number
  readonly nested: number
  readonly queries: number
  /** What part of the exclusive holders are downgraded. */
  readonly downgrades: number
  /** How long they keep their sockets after use, each as often as it stands here, in ms. */
  readonly lingers: readonly number[]
}

export interface RoundPlan {
  readonly seed: number
  /** What the plan was drawn with, besides the seed. */
  readonly processes: number
  readonly seconds: number
  readonly locks: readonly LockPlan[]
  readonly habitats: readonly Habitat[]
  readonly manners: Manners
  /** Whether waiters look by themselves once a second. Without that look, a lost wake-up cannot hide. */
  readonly hasBelt: boolean
  /** By the nemesis's name: how long until its next deed, in ms, on average. */
  readonly nemeses: Readonly<Record<string, number>>
}

export interface RoundLimits {
  readonly seconds: number
  readonly processes: number
  /** What can be had on this machine. */
  readonly places: readonly Place[]
  readonly habitats: readonly Habitat[]
  /** Their names, and how often each acts when it is in a round, in ms. */
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
  // The number is changed while some hold.
  ['permits:2', 'permits:3', 'permits:3/2', 'permits:1'],
]

export function planRound(seed: number, limits: RoundLimits): RoundPlan {
  const random = new Random(seed)
  const { processes } = limits
  // Where nothing befalls anybody, nothing mends by chance what went wrong: connections that end wake those who wait.
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
    manners: planManners(random),
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

function planManners(random: Random): Manners {
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
