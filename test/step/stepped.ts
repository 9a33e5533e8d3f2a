// Programs stepped as a controller does it: from dist/, for a stepped program is a process of its own.

import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { Command, HeldState, Message } from '../../src/step/protocol.js';
import type * as plainModule from '../../src/step/plain.js';
import type * as sessionModule from '../../src/step/session.js';

const dist = (path: string): string => new URL(`../../dist/${path}`, import.meta.url).href;
const { Session } = (await import(dist('step/session.js'))) as typeof sessionModule;
export const { stepPlainly } = (await import(dist('step/plain.js'))) as typeof plainModule;

export const program = (name: string): string =>
  fileURLToPath(new URL(`./programs/${name}`, import.meta.url));
export const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));

/** Long against a loaded machine, short against a test's own limit, so that the message is ours. */
const HANG_MS = 10_000;

const started: Stepped[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ session }) => session.stop()));
});

/** One stepped program, and all that was heard of it. */
export class Stepped {
  readonly session;
  readonly messages: Message[] = [];
  stdout = '';
  stderr = '';
  ending: { code: number | null; signal: NodeJS.Signals | null; error: Error | null } | null = null;
  private readonly looks = new Set<() => void>();

  constructor(script: string, ...args: string[]) {
    this.session = new Session(script, args);
    started.push(this);
    this.session.on('message', (message) => {
      this.messages.push(message);
      this.look();
    });
    this.session.on('output', (stream, text) => {
      this[stream] += text;
      this.look();
    });
    this.session.on('ended', (ending) => {
      this.ending = ending;
      this.look();
    });
  }

  private look(): void {
    for (const look of this.looks) look();
  }

  /** Resolves with the first value that is not undefined. */
  async until<T>(find: () => T | undefined, what: string): Promise<T> {
    const found = find();
    if (found !== undefined) return found;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.looks.delete(look);
        const last = JSON.stringify(this.messages.at(-1))?.slice(0, 2000);
        reject(new Error(`no ${what}; last: ${String(last)}; said: ${this.stdout}${this.stderr}`));
      }, HANG_MS);
      const look = (): void => {
        const value = find();
        if (value === undefined) return;
        clearTimeout(timer);
        this.looks.delete(look);
        resolve(value);
      };
      this.looks.add(look);
    });
  }

  /** Where it is held, once it is. */
  held(): Promise<HeldState> {
    return this.until(() => this.session.held ?? undefined, 'hold');
  }
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null; error: Error | null }> {
    return this.until(() => this.ending ?? undefined, 'end');
  }

  /** Sends a command and resolves with the next hold; null: the program has ended. */
  async go(command: Command): Promise<HeldState | null> {
    this.session.send(command);
    return this.until(() => this.session.held ?? (this.ending === null ? undefined : null), 'answer');
  }
  async step(count = 1): Promise<HeldState | null> {
    return this.go({ do: 'step', count });
  }
  /** What it refused. */
  get refusals(): string[] {
    return this.messages.flatMap((message) => (message.type === 'refused' ? [message.message] : []));
  }
}
