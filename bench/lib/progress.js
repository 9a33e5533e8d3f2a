// The progress of the command line, for the benchmarks too.

export { Progress } from '../../dist/cli/progress.js';
