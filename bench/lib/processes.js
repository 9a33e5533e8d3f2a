// Starts, pins and ends the processes of a benchmark: none of them outlives it, however it ends.

import { spawn } from 'node:child_process';

export { choosePinning } from '../../dist/compare/processes.js';

/** How long a server may take to print its port. Generous: a cold Node start on a loaded machine. */
const START_TIMEOUT_MS = 10_000;
/** Between asking a process to end and killing it. */
const STOP_TIMEOUT_MS = 2_000;
/** What is kept of a child's stderr, to be shown when it fails. */
const STDERR_CHARACTERS_MAX = 2_000;

/** Every child that has not ended yet. @type {Set<import('node:child_process').ChildProcess>} */
const living = new Set();
let guarded = false;

/** Ends all children, by their process ids, when this process is told to end or ends by itself. */
function guardChildren() {
  if (guarded) return;
  guarded = true;
  const signalNumbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 };
  for (const [signal, number] of Object.entries(signalNumbers)) {
    process.once(signal, () => process.exit(128 + number));
  }
  // SIGKILL of this process leaves no chance to act: then the end of their stdin ends the children.
  process.on('exit', () => {
    for (const child of living) child.kill('SIGKILL');
  });
}

/** taskset(1) replaces itself by the command: the child's process id is the command's own. */
function start(command, cpu) {
  guardChildren();
  const [file, ...args] = cpu === null ? command : ['taskset', '-c', String(cpu), ...command];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  living.add(child);
  child.once('exit', () => living.delete(child));
  child.stdin.on('error', () => {}); // EPIPE of a child that ended first: its exit tells all there is to tell.
  const output = { stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output.stderr = (output.stderr + text).slice(-STDERR_CHARACTERS_MAX);
  });
  child.stdout.setEncoding('utf8');
  return { child, output };
}

const describeEnd = (code, signal, stderr) => {
  const how = signal === null ? `exited with status ${code}` : `was ended by ${signal}`;
  const text = stderr.trim();
  return text === '' ? how : `${how}: ${text}`;
};

/** A server under test: a process that prints "PORT n", or JSON with its port, and ends when its stdin does. */
export class Server {
  /** Why the process ended before it was asked to, or null. @type {string | null} */
  failure = null;
  #child;
  #stopping = false;

  constructor(child, port) {
    this.#child = child;
    this.port = port;
    this.pid = child.pid;
  }

  /**
   * @param {readonly string[]} command
   * @param {number | null} cpu
   * @returns {Promise<Server>}
   */
  static start(command, cpu) {
    const { child, output } = start(command, cpu);
    return new Promise((resolve, reject) => {
      let text = '';
      let server = null;
      const giveUp = (reason) => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        reject(new Error(reason));
      };
      const timer = setTimeout(() => giveUp(`printed no port for ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
      child.stdout.on('data', (chunk) => {
        if (server !== null) return;
        text += chunk;
        const port = /^(?:PORT (\d+)$|\{"port":(\d+),)/m.exec(text)?.slice(1).find(Boolean);
        if (port === undefined || !text.includes('\n')) return;
        clearTimeout(timer);
        server = new Server(child, Number(port));
        resolve(server);
      });
      child.once('error', (error) => {
        living.delete(child);
        giveUp(error.message);
      });
      // 'close' rather than 'exit': by then all of stderr has been read.
      child.once('close', (code, signal) => {
        const reason = describeEnd(code, signal, output.stderr);
        if (server === null) giveUp(reason);
        else if (!server.#stopping) server.failure = reason;
      });
    });
  }

  /**
   * Writes one line to the process and gives the next line that it prints.
   * @param {string} question
   * @param {number} timeoutMs
   * @returns {Promise<string>}
   */
  ask(question, timeoutMs) {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      let text = '';
      const done = (act) => {
        clearTimeout(timer);
        child.stdout.off('data', onData);
        child.off('close', onClose);
        act();
      };
      const onData = (chunk) => {
        text += chunk;
        if (text.includes('\n')) done(() => resolve(text.slice(0, text.indexOf('\n'))));
      };
      const onClose = () => done(() => reject(new Error(`ended without an answer to "${question}"`)));
      const timer = setTimeout(
        () => done(() => reject(new Error(`gave no answer to "${question}" for ${timeoutMs} ms`))),
        timeoutMs,
      );
      child.stdout.on('data', onData);
      child.once('close', onClose);
      child.stdin.write(`${question}\n`);
    });
  }

  /** Ends the process: end-of-file on stdin first, which is also a test of its lifeline. Resolves when it is gone. */
  async stop() {
    this.#stopping = true;
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }
}

/**
 * Runs a command to its end and returns what it printed. Its stdin stays open meanwhile, as a lifeline. A command that
 * takes longer than `timeoutMs` is killed: its ending says so.
 * @param {readonly string[]} command
 * @param {number | null} cpu
 * @param {number} timeoutMs
 * @returns {Promise<{ code: number | null, stdout: string, ending: string }>}
 */
export function runToEnd(command, cpu, timeoutMs) {
  const { child, output } = start(command, cpu);
  return new Promise((resolve, reject) => {
    let stdout = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.once('error', (error) => {
      clearTimeout(timer);
      living.delete(child);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, stdout, ending: describeEnd(code, signal, output.stderr) });
    });
  });
}
