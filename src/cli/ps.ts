// underloop ps [PID]: the threads and epoll sets of any process, read from outside.

import { Command, InvalidArgumentError } from 'commander';
import { argumentError } from '../errors.js';
import { isUnavailable } from '../probe/index.js';
import { readPs, readPsList, renderList, renderReport, toJson, watch } from '../ps/index.js';
import type { PsReport } from '../ps/index.js';
import { EXIT, interruptible } from './exit.js';
import { duration } from './parse.js';

interface Flags {
  watch?: number | true;
  json?: boolean;
  threads?: boolean;
  all?: boolean;
  limit?: number;
}

const WATCH_S = 2;
const LIMIT_MS_ALL = 60_000;
const PID_MAX = 2 ** 22;

function pidOf(text: string): number {
  const pid = Number(text);
  if (!/^\d+$/.test(text) || pid < 1 || pid > PID_MAX)
    throw new InvalidArgumentError('Write the number of a process.');
  return pid;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value < 0.1 || value > 86_400)
    throw new InvalidArgumentError('Write a number of seconds, from 0.1 to 86400.');
  return value;
}

function fail(reason: string): void {
  process.stderr.write(`underloop: ${reason}\n`);
  process.exitCode = EXIT.failed;
}

async function run(pid: number | undefined, flags: Flags): Promise<void> {
  const { json = false, all = false, threads = false } = flags;
  const limit = flags.limit ?? (all ? LIMIT_MS_ALL : undefined);
  const options = limit === undefined ? {} : { limitMs: limit };
  const columns = process.stdout.isTTY ? process.stdout.columns : 80;
  const show = (report: PsReport): string =>
    json ? `${toJson(report)}\n` : renderReport(report, { all, threads, columns });

  if (pid === undefined) {
    if (flags.watch !== undefined) throw argumentError('PID', 'given with --watch', pid);
    const list = readPsList({ ...options, all });
    if (isUnavailable(list)) fail(list.unavailable);
    else process.stdout.write(json ? `${toJson(list)}\n` : renderList(list, { all, columns }));
    return;
  }
  if (flags.watch === undefined) {
    const report = readPs(pid, options);
    if (isUnavailable(report)) fail(report.unavailable);
    else process.stdout.write(show(report));
    return;
  }
  const signal = interruptible();
  // `| head` has read enough: nobody is left to look for.
  const read = new AbortController();
  process.stdout.once('error', () => read.abort());
  const everyMs = (flags.watch === true ? WATCH_S : flags.watch) * 1000;
  const clear = process.stdout.isTTY && process.env['TERM'] !== 'dumb' ? '\x1b[H\x1b[2J' : '';
  const ending = await watch(pid, {
    ...options,
    everyMs,
    signal: AbortSignal.any([signal, read.signal]),
    onLook: (report) => {
      process.stdout.write(json ? show(report) : `${clear}${report.takenAt}\n${show(report)}\n`);
    },
  });
  if (ending === 'ended') process.stderr.write(`underloop: process ${pid} has ended\n`);
  else if (ending !== null) fail(ending.unavailable);
  else if (signal.aborted) process.exitCode = EXIT.interrupted;
}

export function psCommand(): Command {
  return new Command('ps')
    .summary('what any process waits for: threads, epoll sets, sockets')
    .description(
      'Shows what each thread of a process sleeps in, and every epoll set with the descriptors that stand in it. ' +
        'Without PID: your processes. Linux.',
    )
    .argument('[pid]', 'the process; not necessarily one of underloop or Node.js', pidOf)
    .option('--watch [seconds]', `look again every so often (default: ${WATCH_S})`, seconds)
    .option('--json', 'one line of JSON per look')
    .option('--threads', 'a line for each thread, with the kernel function it sleeps in')
    .option('--all', "all entries and descriptors; without PID: all users' processes")
    .option('--limit <time>', 'look up nothing more after this time (default: 5s; with --all 60s)', duration)
    .addHelpText(
      'after',
      `
Examples:
  $ underloop ps                    your processes that have an epoll set
  $ underloop ps 4242               one process
  $ underloop ps 4242 --threads     with every thread by itself
  $ underloop ps 4242 --watch 0.5   again twice a second
  $ underloop ps 4242 --json        for programs; docs/ps.md has the schema

It only reads: no descriptor of the process is duplicated or opened, nothing is stopped or traced.
Exit status: 0 shown; 1 it cannot be shown, and why; 2 a mistake in the arguments; 130 --watch was interrupted.`,
    )
    .action(run);
}
