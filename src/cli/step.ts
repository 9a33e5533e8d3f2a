// underloop step SCRIPT: a program's event loop, held between two readiness events.

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { argumentError } from '../errors.js';
import { COMMAND_HELP } from '../step/commands.js';
import { stepPlainly } from '../step/plain.js';
import { EXIT, interruptible } from './exit.js';
import { whole } from './parse.js';

interface Flags {
  plain?: boolean;
  json?: boolean;
  do?: string;
  holds?: number;
}

async function run(script: string, args: string[], flags: Flags): Promise<void> {
  if (!existsSync(script)) throw argumentError('SCRIPT', 'a file that is there', script);
  const signal = interruptible();
  const ending = await stepPlainly(script, args, {
    json: flags.json === true,
    commands: (flags.do ?? '').split(';').filter((command) => command.trim() !== ''),
    holdsMax: flags.holds ?? Infinity,
    input: process.stdin.isTTY ? process.stdin : null,
    output: process.stdout,
    signal,
  });
  if (signal.aborted) process.exitCode = EXIT.interrupted;
  else process.exitCode = ending.code === 0 || ending.stopped ? EXIT.ok : EXIT.failed;
}

export function stepCommand(): Command {
  return new Command('step')
    .summary("hold a program's event loop between two readiness events")
    .description(
      'Runs a script that uses underloop, unchanged, and holds its reactor before each item. On a pipe it goes on by\n' +
        'itself and tells everything; on a terminal it takes commands.',
    )
    .argument('<script>', 'the program')
    .argument('[args...]', "the program's own arguments")
    .option('--plain', 'lines instead of a screen')
    .option('--json', 'one JSON object per line: every hold with the whole state')
    .option('--do <commands>', 'commands with semicolons between them, given whenever the program is held')
    .option('--holds <n>', 'end the program after so many holds', whole)
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Commands:
${COMMAND_HELP}

Examples:
  $ underloop step examples/echo-reactor.js
  $ underloop step --do 'b ready READABLE; c; s 3' --holds 10 examples/echo-reactor.js --port 0 --clients 1

Exit status: 0 the program ended well, or was ended here; 1 it failed; 2 a mistake in the arguments; 130 interrupted.`,
    )
    .action(run);
}
