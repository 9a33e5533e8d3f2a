// The face of the crossover: what the command line and `advise` use.

export { crossoverCsv } from './csv.js';
export { capacityPerSecond, predict } from './law.js';
export type { ClientLaw, Conditions, LawParameters, ModelLaw, Prediction } from './law.js';
export { renderCrossover } from './render.js';
export { CORES, CROSSOVER_SCHEMA, CROSSOVER_VERSION } from './report.js';
export type {
  CellResult,
  Cores,
  CrossoverReport,
  CrossoverSettings,
  MapCell,
  Measurement,
} from './report.js';
export { crossover } from './run.js';
export type { CrossoverHooks, CrossoverProgress } from './run.js';
export { readCrossover } from './settings.js';
export type { CrossoverOptions } from './settings.js';
