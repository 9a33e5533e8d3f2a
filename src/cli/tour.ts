// underloop tour (npm start): two minutes through the comparisons, with small numbers.

import { Command } from 'commander';
import { toJson, workloads, type CompareOptions, type Report, type WorkloadName } from '../compare/index.js';
import { exitCodeOf, runComparison } from './compare.js';
import { EXIT, interruptible } from './exit.js';

interface Stop {
  readonly workload: WorkloadName;
  readonly say: string;
  readonly options: CompareOptions;
}

const stops: readonly Stop[] = [
  {
    workload: 'wait',
    say:
      'Five requests arrive at once, and each has to ask another server that takes 1 s to answer. A blocking call holds\n' +
      'its thread all that time. How long until everybody has an answer, on one core?',
    options: { connections: 5, waitMs: 1000, rounds: 1, models: ['sequential', 'threads', 'epoll'] },
  },
  {
    workload: 'idle',
    say:
      'Two thousand connections that say nothing, and ten among them that do. What does an idle one cost, and who is\n' +
      'still served?',
    options: {
      connections: 2000,
      rounds: 3,
      durationMs: 500,
      models: ['threads', 'pool', 'poll', 'epoll', 'node'],
    },
  },
  {
    workload: 'echo',
    say:
      'Now nobody waits: 64 connections ask as fast as they are answered. Here blocking threads lose little, and what\n' +
      'counts is the work per request.',
    options: {
      connections: 64,
      rounds: 3,
      durationMs: 1000,
      warmUpMs: 800,
      models: ['threads', 'thread-per-request', 'epoll', 'node'],
      poolThreads: 64,
    },
  },
];

async function run(flags: { json?: boolean }): Promise<void> {
  const signal = interruptible();
  const reports: Report[] = [];
  const print = (text: string): void => {
    if (flags.json !== true) process.stdout.write(`${text}\n`);
  };
  for (const [index, { workload, say, options }] of stops.entries()) {
    if (signal.aborted) break;
    print(`\n=== ${index + 1} of ${stops.length}: underloop compare ${workload} ===\n\n${say}\n`);
    const report = await runComparison(workload, options, signal, false);
    reports.push(report);
    print(workloads[workload].render(report));
  }
  if (flags.json === true) process.stdout.write(toJson(reports));
  else if (!signal.aborted) print('\nThe same with larger numbers: underloop compare --help');
  process.exitCode = signal.aborted ? EXIT.interrupted : Math.max(EXIT.ok, ...reports.map(exitCodeOf));
}

export function tourCommand(): Command {
  return new Command('tour')
    .summary('two minutes through the comparisons, with small numbers')
    .description('Runs wait, idle and echo with small numbers, and says what to look at.')
    .option('--json', 'print the reports as one array of JSON instead of text')
    .action(run);
}
