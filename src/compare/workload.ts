// What every workload of a comparison has in common: its defaults, its figures, and how one cell of it is run.

import { setTimeout as delay } from 'node:timers/promises';
import type { Figure } from '../probe/index.js';
import { isKnown } from '../probe/index.js';
import type { Pinning } from './processes.js';
import type { Cell, CompareSettings, Contestant, FigureInfo, Report } from './report.js';

/** What a cell needs to run. */
export interface CellContext {
  readonly contestant: Contestant;
  readonly settings: CompareSettings;
  readonly pinning: Pinning;
  /** Filled by the workload. */
  readonly cell: Cell;
  /** Aborted when the user wants no more: whoever pauses or starts something heeds it. */
  readonly signal: AbortSignal;
  /** A word on what is under way, for people. */
  readonly step: (text: string) => void;
}

export type Figures = Readonly<Record<string, FigureInfo>>;

export interface ComparedWorkload {
  readonly summary: string;
  readonly defaults: Partial<CompareSettings>;
  /** Defaults that depend on what was asked for, which is not checked yet. */
  readonly derived?: (asked: CompareSettings) => Partial<CompareSettings>;
  readonly figures: Figures | ((settings: CompareSettings) => Figures);
  /** Runs one model once. Throws with the reason when there is nothing to show. */
  readonly run: (context: CellContext) => Promise<void>;
  /** Once per contestant after the rounds: what cannot be measured beside the rest. */
  readonly afterwards?: (context: CellContext) => Promise<void>;
  /** Sentences that the figures support. */
  readonly verdict: (report: Report) => string[];
  /** The report as text. */
  readonly render: (report: Report) => string;
}

/** Puts a probe's figure into the cell: its value, scaled, or the reason why there is none. */
export function put(cell: Cell, name: string, figure: Figure, scale = 1): void {
  if (isKnown(figure)) cell.figures[name] = figure.value * scale;
  else cell.unavailable[name] = figure.unavailable;
}

/** Rejects at once when the comparison is interrupted: a window may be minutes long. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}

/** The figures of a workload with these settings. */
export function figuresOf({ figures }: ComparedWorkload, settings: CompareSettings): Figures {
  return typeof figures === 'function' ? figures(settings) : figures;
}
