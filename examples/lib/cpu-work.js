// Work that only computes: the same number of steps takes about the same time wherever it runs.

/** A few million steps per 10 ms. Gives something that depends on all of them, so that none can be left out. */
export function compute(steps) {
  let state = 1;
  for (let i = 0; i < steps; i++) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return state;
}

/** How many steps take about `ms` here: the median of a few looks, after the compiler has seen it. */
export function stepsOf(ms) {
  const look = 5_000_000;
  compute(look);
  const tookMs = [1, 2, 3, 4, 5].map(() => {
    const startMs = performance.now();
    compute(look);
    return performance.now() - startMs;
  });
  return Math.round((look * ms) / tookMs.sort((a, b) => a - b)[2]);
}

/** Nothing, for the cost of a call on an executor itself. */
export function nothing() {}
