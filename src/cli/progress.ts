// Tells on stderr how far a long command is: one line that is rewritten on a terminal, plain lines elsewhere.

/** Of a terminal that does not say how wide it is. */
const COLUMNS = 80;

export class Progress {
  private shown = false;

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {}

  /** Something that changes often: shown on a terminal only. */
  step(text: string): void {
    if (!this.stream.isTTY) return;
    const columns = this.stream.columns || COLUMNS;
    this.stream.write(`\r\x1b[K${text.slice(0, columns - 1)}`);
    this.shown = true;
  }

  /** Something worth a line of its own anywhere. */
  line(text: string): void {
    this.clear();
    this.stream.write(`${text}\n`);
  }

  clear(): void {
    if (this.shown) this.stream.write('\r\x1b[K');
    this.shown = false;
  }
}
