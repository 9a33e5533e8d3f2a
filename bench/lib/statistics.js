// The statistics of `underloop compare`, for the benchmarks too.

export {
  INTERVAL_ROUNDS_MIN,
  median,
  medianInterval,
  seededRandom,
  shuffled,
  summarise,
} from '../../dist/compare/statistics.js';
