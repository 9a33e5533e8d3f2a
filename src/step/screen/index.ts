// Stepping on a screen: the controller between a session, the state that is shown, the keys and the terminal.

import { readFileSync } from 'node:fs';
import type { Ending } from '../plain.js';
import { Session } from '../session.js';
import type { HeldState, Message } from '../protocol.js';
import { act, answerKey, needsHold, refresh, type Doer } from './actions.js';
import { believedEvidence, type Evidence } from './evidence.js';
import { KeyReader, actionOf } from './keys.js';
import { draw, type Frame } from './render.js';
import { ScreenState, type SourceView } from './state.js';
import { Terminal } from './terminal.js';
import { plain } from './text.js';

export type { Evidence, EvidenceFound, EvidenceRow } from './evidence.js';

/** Frames of a program that prints or runs without pause are at least so far apart. */
const FRAME_MS = 30;
/** A running program is looked at so often. */
const LOOK_MS = 250;
/** After so long a lone ESC is the escape key, and not the beginning of another's sequence. */
const ESCAPE_MS = 50;
/** Keys typed while a step is under way wait for its end, so many at most. */
const AHEAD_MAX = 32;
/** Keys typed ahead do not leave the screen of a program that has just ended. */
const READING_MS = 300;
/** A file beyond this is no source that somebody reads. */
const SOURCE_CHARACTERS_MAX = 8 * 1024 * 1024;

export interface ScreenOptions {
  /** Aborted: the program is ended, and the terminal given back. */
  readonly signal: AbortSignal;
  /** Modules that the program gets before its own. */
  readonly imports?: readonly string[];
  /** In the place of a new one: that of a replay. Its program's input must be nothing. */
  readonly session?: Session;
  /** Rows for the interest set and the sockets; by default what the registry believes. */
  readonly evidence?: Evidence;
}

/**
 * Steps a script on the screen of this process's terminal, until it has ended and a key was pressed, or until it is quit.
 * Ctrl-C, SIGINT, SIGTERM and SIGHUP quit as well. Resolves when the program has ended and the terminal is as it was.
 * Throws ERR_ARGUMENT where standard input or output is no terminal.
 */
export async function stepOnScreen(
  script: string,
  args: readonly string[],
  options: ScreenOptions,
): Promise<Ending> {
  const terminal = new Terminal(process.stdin, process.stdout, process.env);
  return new Screen(script, args, options, terminal).run();
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

class Screen implements Doer {
  readonly state: ScreenState;
  readonly session: Session;
  private readonly evidence: Evidence;
  private readonly keys = new KeyReader();
  private frame: Frame | null = null;
  private frameTimer: NodeJS.Timeout | null = null;
  private escapeTimer: NodeJS.Timeout | null = null;
  private readonly lookTimer: NodeJS.Timeout;
  private sources = new Map<string, readonly string[]>();
  private readonly ahead: string[] = [];
  private quitting = false;
  private left = false;
  private over = (): void => undefined;

  constructor(
    script: string,
    args: readonly string[],
    private readonly options: ScreenOptions,
    private readonly terminal: Terminal,
  ) {
    this.state = new ScreenState(script);
    this.state.nowMs = this.state.lastWordMs = performance.now();
    this.evidence = options.evidence ?? believedEvidence;
    // The terminal's input is ours: the program gets none.
    this.session =
      options.session ?? new Session(script, args, { input: 'ignore', imports: options.imports ?? [] });
    this.lookTimer = setInterval(() => this.look(), LOOK_MS);
  }

  async run(): Promise<Ending> {
    const { session, state, terminal, options } = this;
    const left = new Promise<void>((resolve) => (this.over = resolve));
    const onQuit = (): void => this.leaveNow();
    const onResize = (): void => this.drawSoon();
    const onData = (text: string): void => this.onInput(text);
    session.on('message', (message) => this.hear(message));
    session.on('output', (stream, text) => {
      state.output.push(stream, text);
      this.drawSoon();
    });
    session.on('ended', (ending) => {
      this.tick();
      state.end(ending);
      if (this.quitting) this.over();
      else this.drawSoon();
      setTimeout(() => this.tellReading(), READING_MS).unref();
    });
    options.signal.addEventListener('abort', onQuit);
    for (const signal of SIGNALS) process.on(signal, onQuit);
    process.stdout.on('resize', onResize).on('error', onQuit);
    process.stdin.setEncoding('utf8').on('data', onData).on('end', onQuit).on('error', onQuit);
    try {
      terminal.enter();
      if (options.signal.aborted) this.leaveNow();
      this.draw();
      await left;
    } finally {
      this.left = true;
      clearInterval(this.lookTimer);
      for (const timer of [this.frameTimer, this.escapeTimer]) if (timer !== null) clearTimeout(timer);
      terminal.leave();
      options.signal.removeEventListener('abort', onQuit);
      for (const signal of SIGNALS) process.off(signal, onQuit);
      process.stdout.off('resize', onResize).off('error', onQuit);
      process.stdin.off('data', onData).off('end', onQuit).off('error', onQuit);
    }
    const { ending, holds } = state;
    if (ending?.error !== null && ending?.error !== undefined) throw ending.error;
    return {
      code: ending?.code ?? null,
      signal: ending?.signal ?? null,
      holds,
      stopped: this.session.stopping,
    };
  }

  /** Ends the program, and the screen when that has ended. */
  quit(): void {
    if (this.session.ended) {
      this.over();
      return;
    }
    this.quitting = true;
    this.state.say('the program is being ended');
    void this.session.stop();
  }

  redraw(): void {
    this.terminal.forget();
  }

  /** Back to the shell, as Ctrl-Z does elsewhere; the program under control stops and goes on with us. */
  suspend(): void {
    this.terminal.leave();
    process.kill(0, 'SIGTSTP');
    // The signal takes us before this timer does; where nobody could wake us again, it does nothing.
    setTimeout(() => {
      if (this.session.ended && this.quitting) return;
      this.terminal.enter();
      this.drawSoon();
    }, FRAME_MS);
  }

  /** A signal, or the terminal has gone: what is left of the session happens without a screen. */
  private leaveNow(): void {
    this.terminal.leave();
    this.quit();
  }

  private hear(message: Message): void {
    this.tick();
    if (message.type === 'held') this.inquire(message);
    this.state.hear(message);
    if (message.type === 'held') this.catchUp();
    this.drawSoon();
  }

  /** What is to be known of a hold beside what the program says. */
  private inquire(held: HeldState): void {
    const { state, session } = this;
    state.source = this.readSource(held);
    try {
      state.evidenceError = null;
      state.see(this.evidence(held, session.pid));
    } catch (error) {
      state.evidenceError = plain((error as Error).message);
      state.see(believedEvidence(held));
    }
  }

  private readSource({ source }: HeldState): SourceView | null {
    if (source === null) return null;
    let lines = this.sources.get(source.path);
    if (lines === undefined) {
      lines = readLines(source.path);
      this.sources.set(source.path, lines);
    }
    return { at: source, lines };
  }

  private tellReading(): void {
    this.state.leaves = true;
    this.drawSoon();
  }

  private tick(): void {
    this.state.nowMs = performance.now();
  }

  /** A program that runs and says nothing is looked at from outside. */
  private look(): void {
    const { state, session } = this;
    if (state.status === 'held' || state.status === 'ended') return;
    this.tick();
    if (state.silentMs > 0) {
      state.mainThread = session.mainThread();
      this.catchUp();
    }
    this.draw();
  }

  private onInput(text: string): void {
    if (this.escapeTimer !== null) clearTimeout(this.escapeTimer);
    this.escapeTimer = null;
    for (const key of this.keys.push(text)) this.onKey(key);
    if (this.keys.unfinished) {
      this.escapeTimer = setTimeout(() => {
        for (const key of this.keys.flush()) this.onKey(key);
      }, ESCAPE_MS);
    }
  }

  /** Whether this key is for the hold that is about to come; and so are those typed after it. */
  private waits(key: string): boolean {
    const { state, ahead } = this;
    if (!state.stepping || state.prompt !== null || ahead.length >= AHEAD_MAX) return false;
    const action = actionOf(key);
    return ahead.length > 0 || (action !== undefined && needsHold(action));
  }

  private catchUp(): void {
    const { state, ahead } = this;
    while (!state.stepping) {
      const key = ahead.shift();
      if (key === undefined) return;
      this.onKey(key);
    }
  }

  private onKey(key: string): void {
    const { state } = this;
    this.tick();
    if (key === 'ctrl-c') this.quit();
    else if (this.waits(key)) this.ahead.push(key);
    else if (key === 'ctrl-l') this.redraw();
    else if (state.prompt !== null) answerKey(this, key);
    else act(this, actionOf(key), key);
    const { width, height } = this.terminal;
    refresh(state, draw(state, width, height));
    this.drawSoon();
  }

  private drawSoon(): void {
    if (this.left) return;
    this.frameTimer ??= setTimeout(() => this.draw(), FRAME_MS);
  }

  private draw(): void {
    if (this.frameTimer !== null) clearTimeout(this.frameTimer);
    this.frameTimer = null;
    const { width, height } = this.terminal;
    this.frame = draw(this.state, width, height);
    this.terminal.show(this.frame.canvas);
  }

  get page(): number {
    return this.frame?.page ?? 1;
  }
}

function readLines(path: string): readonly string[] {
  try {
    const text = readFileSync(path, 'utf8');
    return text.length > SOURCE_CHARACTERS_MAX ? [] : text.split('\n');
  } catch {
    return [];
  }
}
