// underloop doctor SCRIPT: real mistakes of a program's event loop, with descriptor, handler and remedy.

import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { argumentError } from '../errors.js';
import {
  BLOCKED_MS,
  UNDECIDED,
  describeFinding,
  describeFindings,
  diagnoseTrace,
  examine,
  findingsJson,
  type Finding,
} from '../doctor/index.js';
import { MAGIC } from '../trace/format.js';
import { EXIT, interruptible } from './exit.js';
import { checkFile } from './files.js';
import { duration } from './parse.js';

const BLOCKED_MS_MIN = 1;
const BLOCKED_MS_MAX = 3_600_000;

interface Flags {
  json?: string;
  for?: number;
  quiet?: boolean;
  blocked?: number;
  register?: boolean;
}

function isTrace(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(MAGIC.length);
    readSync(fd, bytes);
    return bytes.toString('latin1') === MAGIC;
  } finally {
    closeSync(fd);
  }
}

function tell(
  findings: readonly Finding[],
  notes: readonly string[],
  rest: object,
  { json, quiet }: Flags,
): void {
  if (json === '-') process.stdout.write(findingsJson(findings, rest));
  else if (json !== undefined) writeFileSync(json, findingsJson(findings, rest));
  else if (quiet !== true || findings.length > 0) process.stderr.write(describeFindings(findings, notes));
  process.exitCode = findings.length === 0 ? EXIT.ok : EXIT.failed;
}

function runTrace(file: string, flags: Flags): void {
  const options = flags.blocked === undefined ? {} : { blockedMs: flags.blocked };
  const { findings, lost, events, truncated } = diagnoseTrace(file, options);
  const notes = [
    `${events} events of a trace${truncated ? ', whose end is missing' : ''}. A trace does not decide:`,
    ...UNDECIDED.map((one) => `  ${one}`),
  ];
  tell(findings, notes, { lost, events, truncated, undecided: UNDECIDED }, flags);
}

async function runScript(script: string, args: readonly string[], flags: Flags): Promise<void> {
  const signal = interruptible();
  const live = flags.quiet !== true && flags.json === undefined && process.stderr.isTTY;
  const examination = await examine(script, args, {
    blockedMs: flags.blocked ?? BLOCKED_MS,
    imports: flags.register === true ? [new URL('../node/register.js', import.meta.url).href] : [],
    signal,
    ...(flags.for !== undefined && { forMs: flags.for }),
    ...(live && {
      onFound: (finding: Finding) => process.stderr.write(`doctor: ${describeFinding(finding)}`),
    }),
  });
  const { findings, loops, workerLoops, lost, stopped, code, signal: ending, answered } = examination;
  const notes: string[] = [];
  if (lost > 0) notes.push(`${lost} further mistakes were not kept.`);
  if (workerLoops > 0)
    notes.push(`Reactors and pollers in worker threads were not examined: there were ${workerLoops}.`);
  else if (answered && loops === 0)
    notes.push('The program made no reactor and no poller: there was nothing to examine.');
  if (!stopped && code !== 0) notes.push(`The program ended with ${ending ?? `status ${code ?? '?'}`}.`);
  if (stopped && !answered && !signal.aborted)
    notes.push(
      'The program did not answer at the end: its thread was blocked. What it suspected is not told.',
    );
  tell(findings, notes, { loops, workerLoops, lost, stopped, code, signal: ending, answered }, flags);
  if (signal.aborted) process.exitCode = EXIT.interrupted;
  else if (!stopped && code !== 0) process.exitCode = EXIT.failed; // nobody takes it for well that has examined nothing
}

async function run(script: string, args: string[], flags: Flags): Promise<void> {
  checkFile('SCRIPT', 'a program or a trace that is there', script);
  // Now, and not when the findings of a long examination would be lost.
  if (flags.json !== undefined && flags.json !== '-') closeSync(openSync(flags.json, 'a'));
  if (!isTrace(script)) await runScript(script, args, flags);
  else if (args.length > 0) throw argumentError('args', 'none, for a trace takes no arguments', args);
  else runTrace(script, flags);
}

function blocked(text: string): number {
  const ms = Math.round(duration(text));
  if (ms < BLOCKED_MS_MIN || ms > BLOCKED_MS_MAX)
    throw new InvalidArgumentError('Write at least 1ms, and an hour at most.');
  return ms;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .summary("real mistakes of a program's event loop, with handler and remedy")
    .description(
      'Runs a script that uses underloop, unchanged, and names mistakes in how it waits, writes and accepts: with\n' +
        'descriptor, handler, numbers and remedy. Of a recorded trace: those mistakes that a trace can show.',
    )
    .argument('<script>', 'the program, or a trace (UNDERLOOP_TRACE=FILE records one)')
    .argument('[args...]', "the program's own arguments")
    .option(
      '--for <time>',
      'end the program after this time (default: when it ends itself, or Ctrl-C)',
      duration,
    )
    .option(
      '--blocked <time>',
      `a handler that takes so long has blocked the loop (default: ${BLOCKED_MS}ms)`,
      blocked,
    )
    .option('--register', "put the program's node:net on the reactor first")
    .option(
      '--json <file>',
      'the findings as one line of JSON in a file (-: on standard output), and no report',
    )
    .option('--quiet', 'say nothing unless something is found, and nothing before the end')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Examples:
  $ underloop doctor server.js
  $ underloop doctor --for 10s --json findings.json server.js --port 0
  $ underloop doctor app.trace

The report goes to standard error; what the program prints stays as it is. docs/doctor.md explains each finding.
Exit status: 0 no finding; 1 findings, or the program failed by itself; 2 a mistake in the arguments; 130 interrupted (what was found is still told).`,
    )
    .action(run);
}
