// underloop tour (npm start): three minutes through the comparisons, with small numbers.

import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import {
  toHtml,
  toJson,
  workloads,
  type CompareOptions,
  type Report,
  type WorkloadName,
} from '../compare/index.js';
import { checkWritable, exitCodeOf, runComparison } from './compare.js';
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
    workload: 'wait',
    say:
      'The same on a loop, and one mistake: the handler asks the other server with a blocking call. Then the remedy, which\n' +
      'hands that call to a pool of threads. Look at the dots: who stands still while one request waits?',
    options: {
      connections: 5,
      waitMs: 500,
      rounds: 1,
      models: ['blocking-in-loop', 'executor', 'epoll'],
      poolThreads: 5,
    },
  },
  {
    workload: 'idle',
    say:
      'Two thousand connections that say nothing, and ten among them that do. What does an idle one cost, and who is\n' +
      'still served?',
    options: {
      connections: 2000,
      rounds: 2,
      durationMs: 500,
      models: ['threads', 'pool', 'poll', 'epoll', 'node'],
    },
  },
  {
    workload: 'active',
    say:
      'What does a loop do that never asks who is ready, and tries every socket in turn? Look at the CPU of a request as\n' +
      'the idle connections grow: spin and poll look at all of them, epoll at those that have something to say.',
    options: {
      connections: 1000,
      points: [10],
      rounds: 1,
      durationMs: 700,
      warmUpMs: 300,
      models: ['spin', 'poll', 'epoll'],
    },
  },
  {
    workload: 'echo',
    say:
      'Now nobody waits: 64 connections ask as fast as they are answered. Here blocking threads lose little, and what\n' +
      'counts is the work per request.',
    options: {
      connections: 64,
      rounds: 2,
      durationMs: 1000,
      warmUpMs: 800,
      models: ['threads', 'thread-per-request', 'epoll', 'node'],
      poolThreads: 64,
    },
  },
  {
    workload: 'mixed',
    say:
      'Here the loop loses: two connections ask for 20 ms of CPU each time. Threads are taken off the core by the kernel;\n' +
      'a handler is not. Look at the p99 of the short requests beside the bursts.',
    options: { rounds: 1, durationMs: 1000, models: ['threads', 'epoll'] },
  },
  {
    workload: 'saturate',
    say:
      "Requests arrive by themselves, and each waits 50 ms. By Little's law 8 threads can wait for 160 per second. Look at\n" +
      'the p99 of the pool when more than that arrive, and at the loop, which has no such limit.',
    options: {
      rounds: 1,
      durationMs: 1200,
      warmUpMs: 400,
      points: [80, 110, 150],
      models: ['pool', 'epoll'],
    },
  },
];

const ending = `
What now?
  underloop compare --help      the same with your numbers, and every model
  underloop crossover           who wins where, over connections, work and wait, on this machine
  underloop advise --help       advice for your own numbers
  underloop step --help         a loop, held before each thing it does`;

async function run(flags: { json?: boolean; html?: string }): Promise<void> {
  if (flags.html !== undefined) checkWritable('--html', flags.html);
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
  else if (!signal.aborted) print(ending);
  if (flags.html !== undefined) {
    const says = stops.map(({ say }) => say.replaceAll('\n', ' '));
    writeFileSync(flags.html, toHtml(reports, { title: 'underloop tour', says }));
  }
  process.exitCode = signal.aborted ? EXIT.interrupted : Math.max(EXIT.ok, ...reports.map(exitCodeOf));
}

export function tourCommand(): Command {
  return new Command('tour')
    .summary('three minutes through the comparisons, with small numbers')
    .description('Runs seven comparisons with small numbers, and says what to look at.')
    .option('--json', 'print the reports as one array of JSON instead of text')
    .option('--html <file>', 'write all stops into one page with charts, which needs no network')
    .action(run);
}
