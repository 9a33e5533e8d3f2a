// A small synchronous Postgres client: every query blocks its thread until the answer is there. Protocol version 3.

import { connect } from './blocking.js'; // in a program of yours: from 'underloop/blocking'
import { scramClient } from './postgres-scram.js';

/** A message of the server larger than this is an error of ours or of its. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;
const PROTOCOL = 3 << 16;

/** An error that the server reports: `code` is its SQLSTATE. */
export class PostgresError extends Error {
  /** @param {Map<string, string>} fields by the letters of the protocol */
  constructor(fields) {
    super(fields.get('M'));
    this.name = 'PostgresError';
    this.code = fields.get('C');
    this.severity = fields.get('V') ?? fields.get('S');
    this.detail = fields.get('D');
    this.hint = fields.get('H');
    this.position = fields.has('P') ? Number(fields.get('P')) : undefined;
  }
}

// How values of a few types become JavaScript's; all others stay the text that the server sends (int8 and numeric too,
// for a number would lose digits).
const asNumber = (text) => Number(text);
const parsers = new Map([
  [16, (text) => text === 't'],
  [17, (text) => Buffer.from(text.slice(2), 'hex')],
  [21, asNumber],
  [23, asNumber],
  [26, asNumber],
  [700, asNumber],
  [701, asNumber],
  [114, JSON.parse],
  [3802, JSON.parse],
]);

/** A parameter as the text that the server parses; null is NULL. */
function parameterText(value) {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const int16 = (value) => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
};
const int32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const text = (value) => {
  // It ends with the first zero byte: what stands behind would be read as something else.
  if (value.includes('\0')) throw new TypeError('a text for Postgres cannot have a zero byte');
  return Buffer.from(`${value}\0`);
};
const message = (type, ...parts) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
};

export class PostgresConnection {
  #socket;
  #ready = false;
  /** What the server says of itself: server_version, ... */
  parameters = {};

  constructor({ host = '127.0.0.1', port = 5432, user, password, database = user, timeoutMs }) {
    const address = host === 'localhost' ? '127.0.0.1' : host;
    this.#socket = connect({ host: address, port, ...(timeoutMs !== undefined && { timeoutMs }) });
    try {
      const options = { user, database, client_encoding: 'UTF8' };
      const parts = Object.entries(options).flat().map(text);
      this.#send(message('', int32(PROTOCOL), ...parts, Buffer.from([0])));
      this.#authenticate(password);
      this.#untilReady();
    } catch (error) {
      this.#socket.close();
      throw error;
    }
  }

  /**
   * Runs a query and gives `{ rows, command }` of it; without `values` it may be several statements, and the last one's
   * is given. Throws a {@link PostgresError}, after which the connection can be used on; anything else has closed it.
   */
  query(sql, values = []) {
    if (!this.#ready) throw new Error('the connection is closed');
    const request = values.length === 0 ? message('Q', text(sql)) : parameterized(sql, values);
    try {
      this.#send(request);
      return this.#untilReady();
    } catch (error) {
      // Half an answer may stand in the socket: nobody could tell where the next one begins.
      if (!(error instanceof PostgresError)) this.close();
      throw error;
    }
  }

  close() {
    if (this.#ready) {
      try {
        this.#send(message('X'));
      } catch {
        // It has gone already.
      }
    }
    this.#ready = false;
    this.#socket.close();
  }
  [Symbol.dispose ?? Symbol.for('Symbol.dispose')]() {
    this.close();
  }

  #send(bytes) {
    this.#socket.write(bytes);
  }

  /** The next message that is not meant for somebody else: notices and changed parameters may come at any time. */
  #receive() {
    for (;;) {
      const head = this.#socket.readExactly(5);
      const type = String.fromCharCode(head[0]);
      const length = head.readInt32BE(1) - 4;
      if (length < 0 || length > MESSAGE_BYTES_MAX)
        throw new Error(`a message of ${length} bytes: not Postgres?`);
      const body = this.#socket.readExactly(length);
      if (type === 'S') {
        const [name, value] = body.toString().split('\0');
        this.parameters[name] = value;
      } else if (type !== 'N' && type !== 'A') return { type, body };
    }
  }

  #authenticate(password) {
    let scram;
    for (;;) {
      const { type, body } = this.#receive();
      if (type === 'E') throw serverError(body);
      if (type !== 'R') throw new Error(`unexpected message ${type} during authentication`);
      const data = body.subarray(4);
      switch (body.readInt32BE()) {
        case 0:
          // A server that skips the end of SCRAM has not shown that it knows the password.
          if (scram !== undefined && !scram.verified) throw new Error('the server did not prove who it is');
          return;
        case 10: {
          const mechanisms = data.toString().split('\0').filter(Boolean);
          if (!mechanisms.includes('SCRAM-SHA-256'))
            throw new Error(`it offers only ${mechanisms.join(', ')}`);
          if (password === undefined) throw new Error('the server asks for a password');
          scram = scramClient(password);
          const first = Buffer.from(scram.first);
          this.#send(message('p', text('SCRAM-SHA-256'), int32(first.length), first));
          break;
        }
        case 11:
          this.#send(message('p', Buffer.from(scram.answer(data.toString()))));
          break;
        case 12:
          scram.verify(data.toString());
          break;
        default:
          throw new Error(
            `authentication method ${body.readInt32BE()} is not spoken here: use scram-sha-256 or trust`,
          );
      }
    }
  }

  /** Reads the answer to its end. What the server refused is thrown only then, so that the connection stays usable. */
  #untilReady() {
    let result = { rows: [], command: '' };
    let fields = [];
    let rows = [];
    let error;
    for (;;) {
      const { type, body } = this.#receive();
      if (type === 'T') {
        fields = fieldsOf(body);
        rows = [];
      } else if (type === 'D') rows.push(rowOf(body, fields));
      else if (type === 'C') {
        result = { rows, command: body.toString('utf8', 0, body.length - 1) };
        rows = [];
        fields = [];
      } else if (type === 'E') {
        error ??= serverError(body);
        // Some errors end the connection, and no "ready" follows.
        if (error.severity === 'FATAL' || error.severity === 'PANIC') this.close();
        if (!this.#ready) throw error;
      } else if (type === 'Z') {
        this.#ready = true;
        if (error !== undefined) throw error;
        return result;
      } else if (type === 'G') this.#send(message('f', text('COPY FROM STDIN is not spoken here')));
    }
  }
}

/** Parse, Bind, Describe, Execute, Sync: values travel beside the text, never in it. */
function parameterized(sql, values) {
  const parameters = values.map(parameterText).flatMap((value) => {
    if (value === null) return [int32(-1)];
    const bytes = Buffer.from(value);
    return [int32(bytes.length), bytes];
  });
  return Buffer.concat([
    message('P', text(''), text(sql), int16(0)),
    message('B', text(''), text(''), int16(0), int16(values.length), ...parameters, int16(0)),
    message('D', Buffer.from('P'), text('')),
    message('E', text(''), int32(0)),
    message('S'),
  ]);
}

function fieldsOf(body) {
  const fields = [];
  for (let at = 2, left = body.readUInt16BE(); left > 0; left--) {
    const end = body.indexOf(0, at);
    // After the name: table (4), column (2), type (4), size (2), modifier (4), format (2).
    fields.push({ name: body.toString('utf8', at, end), type: body.readInt32BE(end + 7) });
    at = end + 19;
  }
  return fields;
}

function rowOf(body, fields) {
  const row = {};
  let at = 2;
  for (const { name, type } of fields) {
    const length = body.readInt32BE(at);
    at += 4;
    if (length < 0) row[name] = null;
    else {
      const value = body.toString('utf8', at, at + length);
      const parse = parsers.get(type);
      row[name] = parse === undefined ? value : parse(value);
      at += length;
    }
  }
  return row;
}

function serverError(body) {
  const fields = new Map();
  for (const field of body.toString().split('\0')) if (field !== '') fields.set(field[0], field.slice(1));
  return new PostgresError(fields);
}

/** Connects by a URL, `postgres://user:password@host:port/database`, or by the same as an object. */
export function connectPostgres(target) {
  if (typeof target !== 'string') return new PostgresConnection(target);
  const url = new URL(target);
  return new PostgresConnection({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(url.pathname.length > 1 && { database: decodeURIComponent(url.pathname.slice(1)) }),
  });
}
