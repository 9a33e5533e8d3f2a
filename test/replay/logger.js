// An account of a replayed program that knows nothing of tapes: loaded after the replay, it stands between that and the program, and
// writes a line of text for each call and each thing that the observer is told, before the replay can compare it.
// LOGGER_FILE=FILE node --import dist/replay/inside.js --import test/replay/logger.js SCRIPT
import * as fs from 'node:fs';

const file = process.env.LOGGER_FILE;
const fd = file === undefined ? -1 : fs.openSync(file, 'w');
const { writeSync } = fs;
const PLACE = Symbol.for('underloop.instrument');
const inner = globalThis[PLACE];

const words = (value) => {
  if (value instanceof Uint8Array) return `bytes of ${value.length}`;
  if (ArrayBuffer.isView(value)) return 'numbers';
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value === 'object' && value !== null) {
    if ('sequence' in value) return `timer ${value.sequence} at ${value.deadlineMs} ${value.name}`;
    if (value instanceof Error) return String(value);
    if ('host' in value || 'path' in value) return JSON.stringify(value);
    return typeof value.name === 'string' ? value.name : value.constructor.name;
  }
  return String(value);
};
const line = (...parts) => writeSync(fd, `${parts.join(' ')}\n`);

/** Bytes that leave are written out, so that another byte is another line. */
function outgoing(kernel, name, args) {
  if (name === 'send')
    return Buffer.from(kernel.buffer.subarray(args[1], args[1] + args[2])).toString('base64');
  if (name === 'sendBytes' || name === 'write') {
    return Buffer.from(args[1].subarray(args[2], args[2] + args[3])).toString('base64');
  }
  if (name === 'sendPieces' || name === 'writePieces') {
    const [, pieces, count, start, end] = args;
    const all = pieces
      .slice(0, count)
      .map((piece, i) => piece.subarray(i === 0 ? start : 0, i === count - 1 ? end : piece.length));
    return Buffer.concat(all).toString('base64');
  }
  if (name === 'sendDatagrams') {
    const [, bytes, table, first, count] = args;
    const rows = [];
    for (let i = first; i < first + count; i++) {
      rows.push(Buffer.from(bytes.subarray(table[4 * i + 1], table[4 * i + 2])).toString('base64'));
    }
    return rows.join(' ');
  }
  return '';
}

/** Where a kernel says what a poller is to do, that is a call as well. */
const told = new Set(['allocateEvents', 'rawFlags']);
function logged(of, what) {
  return new Proxy(of, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function' || name === 'now' || told.has(name)) {
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return (...args) => {
        line(what, name, args.map(words).join(' '), outgoing(target, name, args));
        const result = Reflect.apply(value, target, args);
        return name === 'openPoller' && typeof result === 'object' ? logged(result, 'poller') : result;
      };
    },
  });
}

/** What only repeats the calls, or is derived from them, is left out. */
const derived = new Set([
  'call',
  'interest',
  'batch',
  'readiness',
  'waitBegin',
  'waitEnd',
  'drainBegin',
  'drainEnd',
  'reactorOpened',
]);
function heard(observer) {
  const own = Object.create(observer);
  for (const name in observer) collect(own, observer, name);
  for (let at = Object.getPrototypeOf(observer); at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) collect(own, observer, name);
  }
  return own;
}
function collect(own, observer, name) {
  if (name === 'constructor' || Object.hasOwn(own, name) || typeof observer[name] !== 'function') return;
  own[name] = (...args) => {
    if (name === 'turnBegin') line(name, args[0]);
    else if (!derived.has(name)) line(name, args.map(words).join(' '));
    return observer[name](...args);
  };
}

if (fd >= 0 && inner !== undefined) {
  globalThis[PLACE] = (options) => {
    const given = inner(options);
    if (given.kernel === undefined) return given;
    return { ...given, kernel: logged(given.kernel, 'kernel'), observer: heard(given.observer) };
  };
}
