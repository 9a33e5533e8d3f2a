// Tells on stderr how far a benchmark is: one line that is rewritten on a terminal, plain lines elsewhere.

export class Progress {
  #stream;
  #shown = false;

  /** @param {import('node:tty').WriteStream | NodeJS.WritableStream} stream */
  constructor(stream = process.stderr) {
    this.#stream = stream;
  }

  /** Something that changes often: shown on a terminal only. @param {string} text */
  step(text) {
    if (this.#stream.isTTY !== true) return;
    const width = (this.#stream.columns ?? 80) - 1;
    this.#stream.write(`\r\x1b[K${text.slice(0, width)}`);
    this.#shown = true;
  }

  /** Something worth a line of its own anywhere. @param {string} text */
  line(text) {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  clear() {
    if (this.#shown) this.#stream.write('\r\x1b[K');
    this.#shown = false;
  }
}
