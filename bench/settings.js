// How much is measured. `quick` only shows that all of it runs: its numbers mean nothing.

export const FULL = {
  repeat: 3,
  hot: { warmMs: 300, runMs: 1000, straceCycles: 200 },
  cold: { locks: 200 },
  // Long enough that V8 has optimized the code of each process: see docs/performance.md.
  handOff: { processes: [2, 8, 32], emptyProcesses: 8, warmMs: 4000, longWarmMs: 20_000, runMs: 1500, graceMs: 4000 },
  crowd: { requests: [1, 1000, 100_000], runMs: 500 },
  manyNames: { locks: 10_000, settleMs: 1500, repeat: 2 },
  takeover: { kills: 170, batch: 17, pauseMs: 20, oneLimitMs: 15_000, slowMs: 25_000 },
  idle: { processes: 100, settleMs: 20_000, runMs: 10_000, repeat: 1 },
  weight: { pairs: 7 },
  command: { runs: 10 },
}

export const QUICK = {
  repeat: 1,
  hot: { warmMs: 10, runMs: 30, straceCycles: 10 },
  cold: { locks: 5 },
  handOff: { processes: [2], emptyProcesses: 3, warmMs: 50, longWarmMs: 100, runMs: 150, graceMs: 500 },
  crowd: { requests: [1, 1000], runMs: 20 },
  manyNames: { locks: 50, settleMs: 1200, repeat: 1 },
  takeover: { kills: 2, batch: 2, pauseMs: 20, oneLimitMs: 500, slowMs: 0 },
  idle: { processes: 1, settleMs: 100, runMs: 300, repeat: 1 },
  weight: { pairs: 1 },
  command: { runs: 1 },
}
