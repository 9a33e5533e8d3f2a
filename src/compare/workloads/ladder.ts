// What workloads have in common that look at one server at several points: more connections, more work, a higher rate.

import { renderLadder } from '../render/ladder.js';
import type { LoadConfig } from '../../load/config.js';
import type { LoadResult } from '../../load/result.js';
import type { LoadProcess } from '../load-process.js';
import type { Cell, CompareSettings, FigureInfo, Report } from '../report.js';
import { Stage, type ServerCounters } from '../stage.js';
import { pause, type CellContext } from '../workload.js';

/** The generator says that it lives so often, so that the server is asked within the window. */
export const PROGRESS_MS = 50;
export const SIGN_OF_LIFE_MS = 30_000;
/** The server is asked so long before the window's end. */
const MARGIN_MS = 100;

/** A figure at a point of the ladder: `p99Us@1000`. */
export function at(figure: string, point: number | string): string {
  return `${figure}@${point}`;
}

/** Every figure at every point. `say` names a point: "1,000 idle". */
export function figuresAt(
  points: readonly (number | string)[],
  figures: Readonly<Record<string, FigureInfo>>,
  say: (point: number | string) => string,
): Record<string, FigureInfo> {
  const all: Record<string, FigureInfo> = {};
  for (const [name, info] of Object.entries(figures)) {
    for (const point of points) all[at(name, point)] = { ...info, title: `${info.title}, ${say(point)}` };
  }
  return all;
}

export interface Step {
  readonly before: ServerCounters;
  readonly after: ServerCounters;
  readonly result: LoadResult;
}

/** One load on the cell's server. Its counters are read at the window's beginning and shortly before its end. */
export async function measure(
  stage: Stage,
  generator: LoadProcess,
  load: Omit<LoadConfig, 'port'>,
  { settings, signal }: CellContext,
): Promise<Step> {
  const durationMs = load.durationMs ?? settings.durationMs;
  generator.load({ ...load, durationMs, progressMs: PROGRESS_MS });
  await generator.phase(['measuring'], SIGN_OF_LIFE_MS);
  const before = await stage.counters();
  await pause(Math.max(durationMs - PROGRESS_MS - MARGIN_MS, durationMs / 2), signal);
  const after = await stage.counters();
  const result = await generator.result(SIGN_OF_LIFE_MS);
  await stage.checkAlive();
  return { before, after, result };
}

/** CPU of the server per request that it has served in the window; undefined when it has served none. */
export function cpuUsPerRequest({ before, after }: Step): number | undefined {
  const served = after.served - before.served;
  return served === 0 ? undefined : (after.usage.cpuUs - before.usage.cpuUs) / served;
}

export function setIf(cell: Cell, name: string, value: number | undefined | null): void {
  if (value !== undefined && value !== null) cell.figures[name] = value;
}

/** What went wrong with a load, as the cell's failure or a note. */
export function noteTroubles(cell: Cell, { result }: Step, where: string): void {
  const { requests, connections, failure } = result;
  if (requests.mismatches > 0) cell.failure ??= `${requests.mismatches} wrong replies (${where})`;
  if (failure !== null) cell.failure ??= `${failure} (${where})`;
  if (requests.timedOut > 0) cell.notes.push(`${requests.timedOut} requests timed out (${where})`);
  if (connections.failed > 0) cell.notes.push(`${connections.failed} connections failed (${where})`);
}

/** A model that was not ready yet, or got stuck, leaves zeros and gaps in the tables: what they are must be said. */
export function noteSilence(
  cell: Cell,
  { requests, actives }: Pick<LoadResult, 'requests' | 'actives'>,
  where: string,
): void {
  if (requests.answered === 0 && actives === null)
    cell.notes.push(`nothing was answered in the window (${where})`);
}

/**
 * Runs a load for every point, one after the other on one server, each from a generator of its own. `take` puts its
 * figures into the cell.
 */
export async function climb(
  context: CellContext,
  points: readonly number[],
  say: (point: number) => string,
  loadAt: (point: number) => Omit<LoadConfig, 'port'>,
  take: (point: number, step: Step) => void,
): Promise<void> {
  const { cell, step } = context;
  await using stage = await Stage.open(context);
  const raw: Record<string, Step> = {};
  cell.raw = raw;
  for (const [index, point] of points.entries()) {
    step(say(point));
    const generator = index === 0 ? stage.first : await stage.generator();
    const done = await measure(stage, generator, loadAt(point), context);
    raw[point] = done;
    noteTroubles(cell, done, say(point));
    noteSilence(cell, done.result, say(point));
    take(point, done);
    await generator.stop();
  }
}

export type Title = (settings: CompareSettings) => string;

/** A renderer: a table for each figure, a row for each point. */
export function ladderText(title: Title, figures: Readonly<Record<string, FigureInfo>>) {
  return (report: Report): string => renderLadder(report, title(report.settings), Object.keys(figures));
}
