// underloop crossover: over connections, CPU and wait: which model wins, by how much, and a law that predicts the rest.

import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { toJson } from '../compare/index.js';
import {
  CORES,
  crossover,
  crossoverCsv,
  readCrossover,
  renderCrossover,
  type Cores,
  type CrossoverOptions,
  type CrossoverReport,
} from '../compare/crossover/index.js';
import { crossoverHtml } from '../compare/html/crossover.js';
import { checkWritable } from './compare.js';
import { EXIT, interruptible } from './exit.js';
import { durations, list, microsecondsList, whole, wholes } from './parse.js';
import { Progress } from './progress.js';

interface Flags {
  models?: string[];
  connections?: number[];
  cpu?: number[];
  wait?: number[];
  rounds?: number;
  quick?: boolean;
  cores?: Cores;
  poolThreads?: number;
  seed?: number;
  json?: string | true;
  csv?: string;
  html?: string;
  quiet?: boolean;
}

/** Runs a crossover, or its calibration set alone, with its progress and the time left on stderr. */
export async function runCrossover(
  options: CrossoverOptions,
  signal: AbortSignal,
  quiet: boolean,
  probesOnly = false,
): Promise<CrossoverReport> {
  const progress = new Progress();
  const name = probesOnly ? 'calibration' : 'crossover';
  const hooks = {
    signal,
    onProgress: ({ kind, done, total, text, leftMs }: Parameters<typeof say>[0]) => {
      if (quiet) return;
      const line = say({ kind, done, total, text, leftMs });
      if (kind === 'step') progress.step(`${name} ${line}`);
      else progress.line(kind === 'notice' ? `! ${text}` : `${name} ${line}`);
    },
  };
  const report = await crossover(options, hooks, probesOnly);
  progress.clear();
  return report;
}

function say({
  done,
  total,
  text,
  leftMs,
}: {
  kind: 'notice' | 'step' | 'round';
  done: number;
  total: number;
  text: string;
  leftMs: number;
}): string {
  const left = leftMs >= 90_000 ? `${Math.round(leftMs / 60_000)} min` : `${Math.ceil(leftMs / 1000)} s`;
  return `${done}/${total} (about ${left} left) ${text}`;
}

async function run(flags: Flags): Promise<void> {
  const options: CrossoverOptions = {
    models: flags.models,
    connections: flags.connections,
    cpuUs: flags.cpu,
    waitMs: flags.wait,
    rounds: flags.rounds,
    cores: flags.cores,
    poolThreads: flags.poolThreads,
    seed: flags.seed,
    quick: flags.quick,
  };
  readCrossover(options); // a mistake is told before the files are made
  if (typeof flags.json === 'string') checkWritable('--json', flags.json);
  if (flags.csv !== undefined) checkWritable('--csv', flags.csv);
  if (flags.html !== undefined) checkWritable('--html', flags.html);
  const report = await runCrossover(options, interruptible(), flags.quiet === true);
  const json = toJson(report);
  process.stdout.write(flags.json === true ? json : `${renderCrossover(report)}\n`);
  if (flags.csv !== undefined) writeFileSync(flags.csv, crossoverCsv(report));
  if (flags.html !== undefined) writeFileSync(flags.html, crossoverHtml(report));
  if (typeof flags.json === 'string') writeFileSync(flags.json, json);
  process.exitCode = exitCodeOf(report);
}

export function exitCodeOf({ interrupted, measurements }: CrossoverReport): number {
  if (interrupted) return EXIT.interrupted;
  const failed = measurements.length === 0 || measurements.some(({ failure }) => failure !== null);
  return failed ? EXIT.failed : EXIT.ok;
}

export function crossoverCommand(): Command {
  return new Command('crossover')
    .summary('which model wins where, over connections x CPU x wait, and a law for the rest')
    .description(
      'Measures every model in every cell of a grid of connections, CPU per request and wait, calibrates a small law, and\n' +
        'prints the map, the errors of the law in cells that it has never seen, and what follows.',
    )
    .option('--models <list>', 'models with commas between them (default: threads,pool,epoll)', list)
    .option('--connections <list>', 'the first axis (default: 1,8,64,512)', wholes)
    .option('--cpu <list>', 'the second: CPU per request (default: 0,100us,500us,2ms)', microsecondsList)
    .option(
      '--wait <list>',
      'the third: each request waits so long on the upstream (default: 0,2ms,10ms,50ms)',
      durations,
    )
    .option(
      '--rounds <n>',
      'how often each cell is measured (default: 2); one round has no noise to tell',
      whole,
    )
    .option('--quick', '18 cells, one round, short windows: about half a minute')
    .addOption(
      new Option('--cores <which>', 'one: the server has one core; all: nothing is pinned').choices(CORES),
    )
    .option('--pool-threads <n>', 'threads of the models pool and executor (default: 64)', whole)
    .option('--seed <n>', 'of the order and of the cells held out (default: random, and printed)', whole)
    .option('--json [file]', 'write all of it to a file, or to stdout instead of text')
    .option('--csv <file>', 'write every measurement to a file')
    .option('--html <file>', 'write the map as one page with charts, which needs no network')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      `
Examples:
  $ underloop crossover --quick
  $ underloop crossover --json crossover.json           64 cells, some ten minutes
  $ underloop crossover --cores all --models threads,epoll,reactors
  $ underloop advise --from crossover.json --connections 500 --wait 20ms --cpu 2ms

The first Ctrl-C ends it with the map of what was measured; no process is left.
Exit status: 0 all measured; 1 a cell failed; 2 a mistake in the arguments; 130 interrupted.`,
    )
    .action(run);
}
