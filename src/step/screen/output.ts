// What the stepped program has printed: the last lines of it, of bounded number and length.

import { plain } from './text.js';

const LINES_MAX = 2000;
const LINE_CHARACTERS_MAX = 4096;

export type Stream = 'stdout' | 'stderr';

export interface OutputLine {
  readonly stream: Stream;
  readonly text: string;
}

/** Takes what comes piece by piece: a piece may end in the middle of a line, or of an escape sequence. */
export class Output {
  private readonly kept: { stream: Stream; raw: string; text: string }[] = [];
  private readonly open = new Map<Stream, { stream: Stream; raw: string; text: string }>();
  /** Lines that have been forgotten. */
  lost = 0;

  get lines(): readonly OutputLine[] {
    return this.kept;
  }

  push(stream: Stream, text: string): void {
    const parts = text.split('\n');
    // A flood: of this piece only the end can stay.
    const skipped = Math.max(parts.length - 1 - LINES_MAX, 0);
    this.lost += skipped;
    parts.splice(0, skipped);
    for (const [index, part] of parts.entries()) {
      if (part !== '' || index < parts.length - 1) this.add(stream, part);
      if (index < parts.length - 1) this.open.delete(stream);
    }
  }

  private add(stream: Stream, part: string): void {
    let line = this.open.get(stream);
    if (line === undefined) {
      line = { stream, raw: '', text: '' };
      this.open.set(stream, line);
      this.kept.push(line);
      if (this.kept.length > LINES_MAX) {
        this.kept.shift();
        this.lost++;
      }
    }
    // A carriage return begins the line anew, unless it ends it.
    line.raw = (line.raw + part).slice(-2 * LINE_CHARACTERS_MAX);
    const whole = line.raw.replace(/\r+$/, '');
    const text = plain(whole.slice(whole.lastIndexOf('\r') + 1));
    line.text = text.length > LINE_CHARACTERS_MAX ? `${text.slice(0, LINE_CHARACTERS_MAX)}…` : text;
  }
}
