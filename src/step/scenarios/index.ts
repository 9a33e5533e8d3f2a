// `underloop step --scenario NAME`: lessons in stepping, each on real sockets, that end in what was shown.

import { createInterface } from 'node:readline';
import { argumentError } from '../../errors.js';
import type { Ending } from '../plain.js';
import { Lesson, type Figures, type Scenario, type Shown, type Teller } from './lesson.js';
import { blockedLoop } from './scripts/blocked-loop.js';
import { halfClose } from './scripts/half-close.js';
import { levelVsEdge } from './scripts/level-vs-edge.js';
import { partialWrite } from './scripts/partial-write.js';
import { regularFile } from './scripts/regular-file.js';
import { staleEvent } from './scripts/stale-event.js';
import { starvation } from './scripts/starvation.js';
import { thunderingHerd } from './scripts/thundering-herd.js';

export type { Figures } from './lesson.js';

const scenarios = {
  'level-vs-edge': levelVsEdge,
  'partial-write': partialWrite,
  'half-close': halfClose,
  'stale-event': staleEvent,
  'thundering-herd': thunderingHerd,
  starvation,
  'blocked-loop': blockedLoop,
  'regular-file': regularFile,
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];

function find(name: unknown): Scenario {
  if (typeof name !== 'string' || !Object.hasOwn(scenarios, name)) {
    throw argumentError('scenario', `one of ${scenarioNames.join(', ')}`, name);
  }
  return scenarios[name as ScenarioName];
}

/** What it is about. Throws ERR_ARGUMENT for a name that there is not. */
export function describeScenario(name: string): { readonly title: string; readonly about: string } {
  const { title, about } = find(name);
  return { title, about };
}

export interface ScenarioOptions {
  /** One object per line instead of lines for people. */
  readonly json: boolean;
  readonly output: NodeJS.WritableStream;
  /** A line (Enter) is read from here before each command; `q` ends the lesson. Null: it runs without waiting. */
  readonly input: NodeJS.ReadableStream | null;
  readonly signal: AbortSignal;
}

export interface ScenarioEnding extends Ending {
  /** Whether what it is about was seen; false also when it was ended early. */
  readonly shown: boolean;
  /** The last paragraph, with the figures seen; empty when it was ended early. */
  readonly text: string;
  readonly figures: Figures;
}

/**
 * Plays a scenario to its end. Rejects with ERR_ARGUMENT for a name that there is not, and when the program does not do
 * what the script needs (it cannot listen, it does not answer). No process is left behind.
 */
export async function runScenario(name: string, options: ScenarioOptions): Promise<ScenarioEnding> {
  const scenario = find(name);
  const reader = new Reader(options);
  const lesson = new Lesson(name, reader);
  const { title, about } = scenario;
  reader.tell({ type: 'scenario', name, title, about }, [`== ${name}: ${title}`, ...wrapped(about)]);
  try {
    const end = await Promise.race([scenario.play(lesson), reader.left]);
    await lesson.stop();
    if (end === null) return { ...lesson.ending, shown: false, text: '', figures: {} };
    const ending = { ...lesson.ending, ...end, shown: end.shown && lesson.wentWell };
    reader.tell({ type: 'shown', ...ending }, ['', '== What was shown', ...wrapped(end.text)]);
    return ending;
  } finally {
    await lesson.stop();
    reader.close();
  }
}

/** Tells the lesson, and waits for Enter where somebody sits. */
class Reader implements Teller {
  /** Resolves with null when the reader wants no more of it. */
  readonly left: Promise<Shown | null>;
  private isLeft = false;
  private leave = (): void => undefined;
  private readonly lines;
  private enters = 0;
  private goOn: (() => void) | null = null;
  private inputEnded;

  constructor(private readonly options: ScenarioOptions) {
    const { input, output, signal } = options;
    this.left = new Promise((resolve) => {
      this.leave = () => {
        this.isLeft = true;
        resolve(null);
      };
    });
    this.lines = input === null ? null : createInterface({ input });
    this.inputEnded = input === null;
    this.lines?.on('line', (line) => {
      if (/^\s*q(uit)?\s*$/.test(line)) this.leave();
      else {
        this.enters++;
        this.goOn?.();
      }
    });
    this.lines?.on('close', () => {
      this.inputEnded = true;
      if (!this.isLeft) this.goOn?.();
    });
    signal.addEventListener('abort', this.leave);
    output.on('error', this.leave); // whoever read us has gone
    if (signal.aborted) this.leave();
  }

  tell(value: object, lines: readonly string[]): void {
    const { json, output } = this.options;
    if (this.isLeft) return; // what the script still does while its programs are ended concerns nobody
    const text = json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join('');
    if (text !== '') output.write(text);
  }

  async confirm(): Promise<void> {
    if (this.inputEnded) return;
    if (!this.options.json) this.options.output.write('   (Enter)');
    if (this.enters === 0) await new Promise<void>((resolve) => (this.goOn = resolve));
    this.goOn = null;
    this.enters = Math.max(this.enters - 1, 0);
  }

  close(): void {
    if (!this.isLeft) this.goOn?.();
    this.lines?.close();
    this.options.signal.removeEventListener('abort', this.leave);
    this.options.output.off('error', this.leave);
  }
}

const COLUMNS = 100;

function wrapped(text: string): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    const longer = lines[last] === '' ? `   ${word}` : `${lines[last]} ${word}`;
    if (longer.length <= COLUMNS || lines[last] === '') lines[last] = longer;
    else lines.push(`   ${word}`);
  }
  return lines;
}
