// The tables of the command line, for the benchmarks too.

export { formatTable } from '../../dist/compare/render/format.js';
