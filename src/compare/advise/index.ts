// The face of the advice: what the command line uses.

export { advise, machineLimits } from './advise.js';
export type { Limits } from './advise.js';
export { calibrationFile, readCalibration, readCrossoverFile, writeCalibration } from './cache.js';
export { checkQuestion } from './question.js';
export type { Advice, Candidate, Forecast, Question } from './report.js';
export { renderAdvice } from './say.js';
