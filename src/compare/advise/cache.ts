// Calibrations of this machine, kept between runs: a file in the user's cache folder for each machine, kernel and runtime.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { argumentError } from '../../errors.js';
import { describeMachine, valueOf } from '../../probe/index.js';
import { CROSSOVER_SCHEMA, CROSSOVER_VERSION, type CrossoverReport } from '../crossover/report.js';
import { parameterNames } from '../crossover/fit.js';
import { toJson } from '../json.js';

/** The file of this machine's calibration. `XDG_CACHE_HOME`, if it is absolute, or ~/.cache. */
export function calibrationFile(version: string, environment: NodeJS.ProcessEnv = process.env): string {
  const { cpuModel, usableCpus, architecture, kernel, runtime } = describeMachine();
  const machine = [valueOf(cpuModel), usableCpus, architecture, kernel, runtime, version, CROSSOVER_VERSION];
  const key = createHash('sha256').update(JSON.stringify(machine)).digest('hex').slice(0, 16);
  const cache = environment['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(cache) ? cache : join(homedir(), '.cache'), 'underloop', `calibration-${key}.json`);
}

const numbersOf = (value: unknown, names: readonly string[]): boolean =>
  names.every((name) => Number.isFinite((value as Record<string, unknown> | null | undefined)?.[name]));

/** What advice is computed from has all its numbers: a file may have been edited, or be another program's. */
function isLaw(law: CrossoverReport['law'] | undefined): boolean {
  if (law === null) return true;
  return (
    Array.isArray(law?.models) &&
    law.models.every(
      (model) =>
        numbersOf(model, ['cores', 'tail']) &&
        typeof model.contestant === 'string' &&
        numbersOf(model.parameters, parameterNames) &&
        (model.servedMax === null || numbersOf(model, ['servedMax'])) &&
        (model.memory === null || numbersOf(model.memory, ['baseBytes', 'perConnectionBytes'])),
    )
  );
}

/** Reads a crossover from a file. Throws ERR_ARGUMENT for one that is not there, or is something else. */
export function readCrossoverFile(path: string): CrossoverReport {
  let value: Partial<CrossoverReport> | null;
  try {
    value = JSON.parse(readFileSync(path, 'utf8')) as Partial<CrossoverReport> | null;
  } catch (error) {
    throw argumentError(
      '--from',
      `a file that \`underloop crossover --json\` has written (${(error as Error).message})`,
      path,
    );
  }
  if (value?.schema !== CROSSOVER_SCHEMA)
    throw argumentError('--from', 'a file that `underloop crossover --json` has written', path);
  if (value.version !== CROSSOVER_VERSION)
    throw argumentError('--from', `a crossover of version ${CROSSOVER_VERSION}`, value.version);
  if (!isLaw(value.law)) throw argumentError('--from', 'a crossover whose law has all its numbers', path);
  return value as CrossoverReport;
}

/** Null: there is none, or it can't be read. */
export function readCalibration(path: string): CrossoverReport | null {
  try {
    return readCrossoverFile(path);
  } catch {
    return null;
  }
}

/** Whole or not at all. Where the folder can't be written, the next run calibrates again: the reason is returned. */
export function writeCalibration(path: string, report: CrossoverReport): string | null {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, toJson(report));
    renameSync(temporary, path);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
