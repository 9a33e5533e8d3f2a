// RESP, the protocol of Redis: commands as bytes, and answers from bytes that come in any pieces.

export class RedisError extends Error {
  name = 'RedisError';
}

/** A command as an array of bulk strings. */
export function encodeCommand(parts) {
  const chunks = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part));
    chunks.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(chunks);
}

/** Thrown inside the decoder when the answer has not come completely. */
const INCOMPLETE = Symbol('incomplete');

/** Reads answers of RESP 2: text for strings, numbers, arrays, null; a RedisError where the server says one. */
export class Decoder {
  #bytes = Buffer.alloc(0);
  #at = 0;

  feed(bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  /** The next answer as `{ value }`; null when more bytes are needed. */
  next() {
    this.#at = 0;
    try {
      const value = this.#value();
      this.#bytes = this.#bytes.subarray(this.#at);
      return { value };
    } catch (error) {
      if (error !== INCOMPLETE) throw error;
      return null;
    }
  }

  #value() {
    const line = this.#line();
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return rest;
      case '-':
        return new RedisError(rest);
      case ':':
        return Number(rest);
      case '$':
        return rest === '-1' ? null : this.#take(Number(rest));
      case '*': {
        if (rest === '-1') return null;
        const values = [];
        for (let left = Number(rest); left > 0; left--) values.push(this.#value());
        return values;
      }
      default:
        throw new Error(`an answer begins with ${JSON.stringify(line[0])}: not Redis?`);
    }
  }

  #line() {
    const end = this.#bytes.indexOf('\r\n', this.#at);
    if (end < 0) throw INCOMPLETE;
    const line = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 2;
    return line;
  }

  #take(length) {
    const end = this.#at + length;
    if (this.#bytes.length < end + 2) throw INCOMPLETE;
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 2;
    return text;
  }
}
