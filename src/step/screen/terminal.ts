// The terminal that we are on: taken over while the screen is shown, and given back as it was, whatever happens.

import type { ReadStream, WriteStream } from 'node:tty';
import { UnderloopError } from '../../errors.js';
import { difference, type Canvas } from './cells.js';

/** Alternate screen, cursor hidden, no wrapping at the last column; xterm's ctlseqs. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l';

export class Terminal {
  private entered = false;
  private shown: Canvas | null = null;
  private readonly colours: boolean;
  // What ends this process, an exception of ours too, passes here.
  private readonly onExit = (): void => this.leave();

  constructor(
    private readonly input: ReadStream,
    private readonly output: WriteStream,
    environment: NodeJS.ProcessEnv,
  ) {
    this.colours = (environment['NO_COLOR'] ?? '') === '' && output.hasColors(environment);
    if (!input.isTTY || !output.isTTY || environment['TERM'] === 'dumb') {
      throw new UnderloopError(
        'ERR_ARGUMENT',
        'a screen needs a terminal as standard input and standard output; without one, step plainly',
      );
    }
  }

  get width(): number {
    return this.output.columns;
  }
  get height(): number {
    return this.output.rows;
  }

  enter(): void {
    if (this.entered) return;
    this.entered = true;
    process.on('exit', this.onExit);
    this.input.setRawMode(true);
    this.input.resume();
    this.output.write(ENTER);
    this.shown = null;
  }

  /** Idempotent. */
  leave(): void {
    if (!this.entered) return;
    this.entered = false;
    process.off('exit', this.onExit);
    // A terminal that has gone cannot be given back, and that must not keep us from the rest.
    try {
      this.output.write(LEAVE);
      this.input.setRawMode(false);
    } catch {
      // nobody is left to see it
    }
    this.input.pause();
  }

  /** Forgets what is shown: all is drawn anew. */
  forget(): void {
    this.shown = null;
  }

  show(canvas: Canvas): void {
    if (!this.entered) return;
    const text = difference(this.shown, canvas, this.colours);
    this.shown = canvas;
    if (text !== '') this.output.write(text);
  }
}
