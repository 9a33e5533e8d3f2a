// What the programs of examples/articles share: options, processes that end with them, a table, a verdict, an exit status.

import { realpathSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startPostgres } from './postgres-server.js';
import { startProcess } from './processes.js';
import { startRedis } from './redis-server.js';

const COMMON_HELP = `  --fast           small numbers: a few seconds, and the same relations
  --json           one JSON object instead of the table, for programs
  -h, --help       this text

Exit status 0: measured, and it is as the article says. 1: measured, and it is not. 2: a wrong option.
3: it could not be measured. 130: Ctrl-C (143: SIGTERM); everything that was started has ended by then.`;

/** Nobody waits longer than this for processes to end. */
const STOP_MS_MAX = 10_000;

/** What a program does while it measures. */
class Measurement {
  cases = [];
  #things = [];
  #moduleUrl;
  #columns;
  #json;
  #stopped = false;

  constructor(moduleUrl, columns, json) {
    this.#moduleUrl = moduleUrl;
    this.#columns = columns;
    this.#json = json;
    if (!json) this.#print(columns.map(({ title }) => title));
  }

  /** A process that runs an export of the program, or of another module; what that returned is `ready`. */
  async process(name, args, { moduleUrl = this.#moduleUrl, cpu } = {}) {
    const process = this.#start(() => startProcess(moduleUrl, name, args, { cpu }));
    const ready = await process.started;
    return { ...process, ready };
  }
  /** What an export of the program returns, called in a process of its own. */
  async inProcess(name, args) {
    const process = await this.process(name, args);
    await process.stop();
    return process.ready;
  }
  /** The URL of a Postgres. */
  postgres() {
    return this.#start(startPostgres).started;
  }
  redis() {
    return this.#start(startRedis).started;
  }
  #start(start) {
    if (this.#stopped) throw new Error('interrupted');
    const thing = start();
    this.#things.push(thing);
    return thing;
  }

  /** One row of the table. */
  add(figures) {
    this.cases.push(figures);
    if (!this.#json) this.#print(this.#columns.map(({ value }) => value(figures)));
    return figures;
  }

  #print(cells) {
    const padded = cells.map((cell, i) => {
      const { width = 12 } = this.#columns[i];
      return i === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    console.log(padded.join('  ').trimEnd());
  }

  /** Ends everything that was started, and starts nothing any more. */
  async stop() {
    this.#stopped = true;
    await Promise.all(this.#things.splice(0).map((thing) => thing.stop()));
  }
}

/**
 * Runs a program of this folder, when it is the one that was started and not a module that a process imports.
 *
 * `options`: integers, as `{ name: { default, fast, min, max } }`. `columns`: `{ title, width, value(figures) }`.
 * `measure(measurement, options)` adds cases. `verdict(cases, options)` gives `{ holds, text }`, made of them alone.
 */
export async function article(moduleUrl, { help, options: specification = {}, columns, measure, verdict }) {
  if (!isMain(moduleUrl)) return;
  const name = basename(process.argv[1], '.js');
  const options = readOptions(name, help, specification);
  const interrupted = new Promise((_, reject) => {
    const end = (status) => () => {
      process.once('SIGINT', () => process.exit(130)); // a second one does not wait
      reject(Object.assign(new Error('interrupted'), { status }));
    };
    process.once('SIGINT', end(130)).once('SIGTERM', end(143));
    process.stdout.on('error', end(0)); // a reader that left early (| head)
  });
  const startLoad = loadavg()[0];
  const measurement = new Measurement(moduleUrl, columns, options.json);
  let status;
  try {
    const measuring = measure(measurement, options);
    measuring.catch(() => {}); // when it is interrupted, it fails because its processes end
    await Promise.race([measuring, interrupted]);
    const { cases } = measurement;
    const { holds, text } = verdict(cases, options);
    status = holds ? 0 : 1;
    const machine = { cores: availableParallelism(), load: startLoad, node: process.version };
    const { json, ...rest } = options;
    if (json)
      console.log(JSON.stringify({ program: name, options: rest, machine, cases, holds, verdict: text }));
    else console.log(`\n${wrapped(text)}`);
  } catch (error) {
    status = error.status ?? 3;
    if (status === 3) console.error(`${name}: ${explained(error)}`);
  }
  setTimeout(() => process.exit(status), STOP_MS_MAX).unref();
  await measurement.stop();
  process.exit(status);
}

function isMain(moduleUrl) {
  try {
    return realpathSync(process.argv[1]) === fileURLToPath(moduleUrl);
  } catch {
    return false;
  }
}

function explained(error) {
  const text = error.message || error.code || String(error);
  return error.code === 'ERR_MODULE_NOT_FOUND' ? `${text}; install it with npm` : text;
}

function readOptions(name, help, specification) {
  const fail = (message) => {
    console.error(`${name}: ${message} (--help shows the options)`);
    process.exit(2);
  };
  const strings = Object.keys(specification).map((option) => [option, { type: 'string' }]);
  const flag = { type: 'boolean', default: false };
  let values;
  try {
    ({ values } = parseArgs({
      options: { ...Object.fromEntries(strings), fast: flag, json: flag, help: { ...flag, short: 'h' } },
    }));
  } catch (error) {
    fail(error.message);
  }
  if (values.help) {
    console.log(`${help}${COMMON_HELP}`);
    process.exit(0);
  }
  const options = { fast: values.fast, json: values.json };
  for (const [option, { default: usual, fast = usual, min, max }] of Object.entries(specification)) {
    const text = values[option] ?? String(values.fast ? fast : usual);
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      fail(`--${option} must be an integer from ${min} to ${max}; got '${text}'`);
    }
    options[option] = value;
  }
  return options;
}

const LINE_CHARACTERS_MAX = 100;

function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== '' && line.length + word.length >= LINE_CHARACTERS_MAX) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}

/** "3.02 s", for a time in milliseconds. */
export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
/** "52.1 ms"; "2.53 s" for long ones. */
export function milliseconds(ms) {
  if (ms === null) return '-';
  if (ms >= 1000) return seconds(ms);
  return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}
/** "0.6 / 11 / 16 ms": median, 99th percentile and maximum. */
export function spread({ p50Ms, p99Ms, maxMs }) {
  if (maxMs === null) return '-';
  const [unit, scale] = maxMs < 1000 ? ['ms', 1] : ['s', 1000];
  const digits = (value) => value.toFixed(unit === 's' ? 2 : value < 10 ? 1 : 0);
  return `${[p50Ms, p99Ms, maxMs].map((ms) => digits(ms / scale)).join(' / ')} ${unit}`;
}
export const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
/** "9.7 times". */
export const times = (ratio) => `${ratio.toFixed(ratio < 20 ? 1 : 0)} times`;
