// underloop compare WORKLOAD: the same workload on several models, measured in turns.

import { closeSync, openSync, writeFileSync } from 'node:fs';
import { Argument, Command } from 'commander';
import {
  WORKLOADS,
  compare,
  contestantNames,
  readSettings,
  toCsv,
  toHtml,
  toJson,
  workloads,
  type CompareOptions,
  type Report,
  type WorkloadName,
} from '../compare/index.js';
import { argumentError } from '../errors.js';
import { EXIT, interruptible } from './exit.js';
import { duration, list, microseconds, whole, wholes } from './parse.js';
import { Progress } from './progress.js';

interface Flags {
  models?: string[];
  connections?: number;
  rounds?: number;
  duration?: number;
  warmUp?: number;
  wait?: number;
  cpu?: number;
  payload?: number;
  depth?: number;
  actives?: number;
  points?: number[];
  poolThreads?: number;
  stackKib?: number;
  seed?: number;
  systemCalls: boolean;
  json?: string | true;
  csv?: string;
  html?: string;
  quiet?: boolean;
}

function optionsOf(flags: Flags): CompareOptions {
  const { models, connections, rounds, depth, actives, points, poolThreads, stackKib, seed, systemCalls } =
    flags;
  return {
    models,
    connections,
    rounds,
    depth,
    actives,
    points,
    poolThreads,
    stackKib,
    seed,
    systemCalls,
    durationMs: flags.duration,
    warmUpMs: flags.warmUp,
    waitMs: flags.wait,
    cpuUs: flags.cpu,
    payloadBytes: flags.payload,
  };
}

/** Runs one comparison with its progress on stderr. */
export async function runComparison(
  workload: WorkloadName,
  options: CompareOptions,
  signal: AbortSignal,
  quiet: boolean,
): Promise<Report> {
  const progress = new Progress();
  const report = await compare(workload, options, {
    signal,
    onProgress: ({ kind, done, total, text }) => {
      if (quiet) return;
      if (kind === 'step') progress.step(`${workload} ${done}/${total} ${text}`);
      else progress.line(kind === 'notice' ? `! ${text}` : `${workload} ${done}/${total} ${text}`);
    },
  });
  progress.clear();
  return report;
}

/** What the exit code says of a report. */
export function exitCodeOf(report: Report): number {
  if (report.interrupted) return EXIT.interrupted;
  return report.cells.some(({ failure }) => failure !== null) || report.cells.length === 0
    ? EXIT.failed
    : EXIT.ok;
}

/** Throws ERR_ARGUMENT for a file that cannot be written. One that is there is left as it is until there is a report. */
export function checkWritable(name: string, path: string): void {
  try {
    closeSync(openSync(path, 'a'));
  } catch (error) {
    throw argumentError(name, `a file that can be written (${(error as Error).message})`, path);
  }
}

async function run(workload: WorkloadName, flags: Flags): Promise<void> {
  const options = optionsOf(flags);
  readSettings(workload, options); // a mistake is told before the files are made
  // A file that cannot be written shall not cost minutes of measuring.
  if (typeof flags.json === 'string') checkWritable('--json', flags.json);
  if (flags.csv !== undefined) checkWritable('--csv', flags.csv);
  if (flags.html !== undefined) checkWritable('--html', flags.html);
  const report = await runComparison(workload, options, interruptible(), flags.quiet === true);
  const json = toJson(report);
  // On the screen first: a disk that is full by now shall not cost the report.
  process.stdout.write(flags.json === true ? json : `${workloads[workload].render(report)}\n`);
  if (flags.csv !== undefined) writeFileSync(flags.csv, toCsv(report));
  if (flags.html !== undefined) writeFileSync(flags.html, toHtml([report]));
  if (typeof flags.json === 'string') writeFileSync(flags.json, json);
  process.exitCode = exitCodeOf(report);
}

export function compareCommand(): Command {
  const names = WORKLOADS.map((name) => `  ${name.padEnd(8)} ${workloads[name].summary}`).join('\n');
  return new Command('compare')
    .summary('one workload, several models, measured in turns')
    .description(
      'Runs the same workload on several models of serving sockets, in shuffled rounds, and prints what each costs.',
    )
    .addArgument(new Argument('<workload>', 'what is asked of the servers').choices(WORKLOADS))
    .option('--models <list>', 'models with commas between them; one named twice is an A/A comparison', list)
    .option('--connections <n>', 'connections; wait: requests', whole)
    .option('--rounds <n>', 'how often each model has its turn; an interval needs 6', whole)
    .option('--duration <time>', 'the measured window of each cell, as 2s or 500ms', duration)
    .option('--warm-up <time>', 'before the window', duration)
    .option('--wait <time>', 'each request waits so long on the upstream', duration)
    .option('--cpu <time>', 'each request burns so much CPU in the server, as 2ms or 500us', microseconds)
    .option('--payload <bytes>', 'of each request and reply', whole)
    .option('--depth <n>', 'echo: requests under way per connection', whole)
    .option('--actives <n>', 'idle, active: connections that speak among the idle; slow: slow ones', whole)
    .option('--points <list>', 'active: idle connections; cpu: us of work; saturate: % of N / wait', wholes)
    .option('--pool-threads <n>', 'threads of the models pool and executor', whole)
    .option('--stack-kib <n>', 'stack of each serving thread (default: what the system gives)', whole)
    .option('--seed <n>', 'of the order of the cells (default: random, and printed)', whole)
    .option('--no-system-calls', 'echo: leave out the pass under strace')
    .option(
      '--json [file]',
      'write the whole report, every raw sample in it, to a file, or to stdout instead of text',
    )
    .option('--csv <file>', 'write every figure of every cell to a file')
    .option('--html <file>', 'write a page with charts, which needs no network, to a file')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      `
Workloads:
${names}

Models: ${contestantNames.join(', ')}

Examples:
  $ underloop compare idle --connections 10000 --models threads,pool,poll,epoll,node
  $ underloop compare wait                              5 requests that wait 2 s, on one core
  $ underloop compare wait --connections 1000 --models threads,epoll
  $ underloop compare echo --connections 64 --rounds 12 --json echo.json --csv echo.csv
  $ underloop compare saturate --pool-threads 8 --wait 50ms
  $ underloop compare echo --models epoll,epoll         what chance alone does

Everything runs over loopback, each server, upstream and load in a process of its own, and none is left behind.
Exit status: 0 all cells measured; 1 a cell failed; 2 a mistake in the arguments; 130 interrupted.`,
    )
    .action(run);
}
