// underloop step SCRIPT: a program's event loop, held between two readiness events.

import { Command, Option } from 'commander';
import { argumentError } from '../errors.js';
import { COMMAND_HELP } from '../step/commands.js';
import { evidenceLines, lookAtKernel } from '../step/kernel-evidence.js';
import { stepPlainly, type Ending } from '../step/plain.js';
import { describeScenario, runScenario, scenarioNames } from '../step/scenarios/index.js';
import { stepOnScreen, type Evidence } from '../step/screen/index.js';
import { EXIT, interruptible } from './exit.js';
import { checkFile } from './files.js';
import { whole } from './parse.js';

interface Flags {
  plain?: boolean;
  json?: boolean;
  do?: string;
  holds?: number;
  evidence: boolean;
  scenario?: string;
  register?: boolean;
}

const onTerminal = (): boolean =>
  process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb';

const screenEvidence: Evidence = (held, pid) => {
  const found = lookAtKernel(held, pid);
  return { rows: found.rows, notes: evidenceLines({ ...found, rows: [] }) };
};

async function stepScript(
  script: string,
  args: string[],
  flags: Flags,
  signal: AbortSignal,
): Promise<Ending> {
  checkFile('SCRIPT', 'a file that is there', script);
  // The program's node:net on the reactor, so that it can be held.
  const imports = flags.register === true ? [new URL('../node/register.js', import.meta.url).href] : [];
  const plainly =
    flags.plain === true || flags.json === true || flags.do !== undefined || flags.holds !== undefined;
  if (!plainly && onTerminal()) {
    return stepOnScreen(script, args, {
      signal,
      imports,
      ...(flags.evidence && { evidence: screenEvidence }),
    });
  }
  return stepPlainly(script, args, {
    json: flags.json === true,
    imports,
    evidence: flags.evidence,
    commands: (flags.do ?? '').split(';').filter((command) => command.trim() !== ''),
    holdsMax: flags.holds ?? Infinity,
    input: process.stdin.isTTY ? process.stdin : null,
    output: process.stdout,
    signal,
  });
}

async function run(script: string | undefined, args: string[], flags: Flags): Promise<void> {
  const signal = interruptible();
  if (flags.scenario !== undefined) {
    const input = onTerminal() && flags.plain !== true && flags.json !== true ? process.stdin : null;
    const ending = await runScenario(flags.scenario, {
      json: flags.json === true,
      output: process.stdout,
      input,
      signal,
    });
    process.exitCode = signal.aborted
      ? EXIT.interrupted
      : ending.shown || ending.stopped
        ? EXIT.ok
        : EXIT.failed;
    return;
  }
  if (script === undefined)
    throw argumentError('SCRIPT', 'the program to be stepped, or --scenario NAME', script);
  const ending = await stepScript(script, args, flags, signal);
  if (signal.aborted) process.exitCode = EXIT.interrupted;
  else process.exitCode = ending.code === 0 || ending.stopped ? EXIT.ok : EXIT.failed;
}

export function stepCommand(): Command {
  const lessons = scenarioNames
    .map((name) => `  ${name.padEnd(16)} ${describeScenario(name).title}`)
    .join('\n');
  return new Command('step')
    .summary("hold a program's event loop between two readiness events")
    .description(
      'Runs a script that uses underloop, unchanged, and holds its reactor before each item: on a screen where there is a\n' +
        'terminal; on a pipe it goes on by itself and tells everything.',
    )
    .argument('[script]', 'the program')
    .argument('[args...]', "the program's own arguments")
    .addOption(
      new Option('--scenario <name>', 'a lesson in stepping instead of a script').choices(scenarioNames),
    )
    .option(
      '--register',
      "put the program's node:net on the reactor first: for programs that know nothing of underloop",
    )
    .option('--plain', 'lines instead of a screen')
    .option('--json', 'one JSON object per line: every hold with the whole state')
    .option('--no-evidence', 'leave out what the kernel has: it is read anew at each hold')
    .option('--do <commands>', 'commands with semicolons between them, given whenever the program is held')
    .option('--holds <n>', 'end the program after so many holds', whole)
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Commands:
${COMMAND_HELP}

Scenarios:
${lessons}

Examples:
  $ underloop step examples/echo-reactor.js
  $ underloop step --scenario level-vs-edge
  $ underloop step --register server.js                 a program on node:net or node:http
  $ underloop step --do 'b ready READABLE; c; s 3' --holds 10 examples/echo-reactor.js --port 0 --clients 1

Exit status: 0 the program ended well, or was ended here; 1 it failed; 2 a mistake in the arguments; 130 interrupted.`,
    )
    .action(run);
}
