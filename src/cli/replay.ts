// underloop replay FILE: runs a recorded program again, without a kernel, and says whether it does the same.

import { Command } from 'commander';
import { argumentError } from '../errors.js';
import type { Verdict } from '../replay/protocol.js';
import { replay, type Replayed } from '../replay/run.js';
import { ReplaySession } from '../replay/session.js';
import { circumstanceLines, verdictLines, versionLines } from '../replay/say.js';
import { COMMAND_HELP } from '../step/commands.js';
import { stepSession } from '../step/plain.js';
import { stepOnScreen } from '../step/screen/index.js';
import { EXIT, interruptible } from './exit.js';
import { checkFile } from './files.js';
import { whole } from './parse.js';

interface Flags {
  to?: number;
  run?: boolean;
  step?: boolean;
  plain?: boolean;
  do?: string;
  from?: number;
  quiet?: boolean;
  json?: boolean;
}

function print(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** Whole lines of what the program prints, as `| line`. */
class Printer {
  private rest = '';
  readonly take = (_stream: string, text: string): void => {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    print(lines.map((line) => `| ${line}`));
  };
  end(): void {
    if (this.rest !== '') print([`| ${this.rest}`]);
  }
}

function conclude(replayed: Replayed, json: boolean): number {
  const { verdict, circumstances, facts } = replayed;
  if (json) {
    const { script, args, startedUnixMs } = facts;
    process.stdout.write(
      `${JSON.stringify({ verdict, circumstances, recorded: { script, args, startedUnixMs } })}\n`,
    );
  } else {
    print([...versionLines(replayed), ...circumstanceLines(circumstances)]);
    if (verdict === null)
      print([
        `the replayed process ended without a verdict (${replayed.signal ?? `exit status ${String(replayed.code)}`})`,
      ]);
    else if (verdict.type === 'damaged')
      process.stderr.write(`underloop: ${verdict.code}: ${verdict.message}\n`);
    else print(verdictLines(verdict));
  }
  return verdict === null || isFailure(verdict) ? EXIT.failed : EXIT.ok;
}

const isFailure = ({ type }: Verdict): boolean => type === 'differs' || type === 'damaged';

const onTerminal = (): boolean =>
  process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb';

/** Item by item, forwards and backwards. */
async function step(
  file: string,
  script: string | undefined,
  flags: Flags,
  signal: AbortSignal,
): Promise<void> {
  const { json = false, plain = false } = flags;
  const onScreen = onTerminal() && !json && !plain && flags.do === undefined;
  const input = onScreen ? 'ignore' : 'pipe';
  const session = new ReplaySession(file, { script, event: flags.from, input });
  if (onScreen) await stepOnScreen(session.facts.script, session.facts.args, { signal, session });
  else {
    await stepSession(session, {
      json,
      commands: (flags.do ?? '').split(';').filter((command) => command.trim() !== ''),
      holdsMax: Infinity,
      input: flags.do === undefined || process.stdin.isTTY ? process.stdin : null,
      output: process.stdout,
      signal,
    });
  }
  process.exitCode = signal.aborted
    ? EXIT.interrupted
    : session.verdict !== null && isFailure(session.verdict)
      ? EXIT.failed
      : EXIT.ok;
}

async function run(file: string, script: string | undefined, flags: Flags): Promise<void> {
  checkFile('FILE', 'a recording that is there', file);
  if (script !== undefined) checkFile('SCRIPT', 'a file that is there', script);
  const signal = interruptible();
  const json = flags.json === true;
  const toTheEnd = flags.run === true || flags.to !== undefined || flags.quiet === true || json;
  const stepping =
    flags.step === true || flags.plain === true || flags.do !== undefined || flags.from !== undefined;
  if (stepping && flags.to !== undefined)
    throw argumentError('--to', 'given alone; item by item, --from or goto EVENT goes there', flags.to);
  if (stepping || (!toTheEnd && onTerminal())) {
    await step(file, script, flags, signal);
    return;
  }
  const printer = new Printer();
  const replayed = await replay({
    file,
    ...(script !== undefined && { script }),
    ...(flags.to !== undefined && { to: flags.to }),
    ...(!json && flags.quiet !== true && { onOutput: printer.take }),
    signal,
  });
  printer.end();
  process.exitCode = signal.aborted ? EXIT.interrupted : conclude(replayed, json);
}

export function replayCommand(): Command {
  return new Command('replay')
    .summary('run a recorded program again, and compare')
    .description(
      'Runs the program of a recording again, without a kernel and with the recorded clock, and compares each thing that it\n' +
        'does with what was recorded. The first that differs ends the replay.',
    )
    .argument('<file>', 'the recording')
    .argument('[script]', 'another script in the place of the recorded one: a changed copy of it')
    .option('--to <event>', 'stop at this event, and tell the state there', whole)
    .option('--run', 'to the end at once, on a terminal as well')
    .option(
      '--step',
      'item by item, forwards and backwards: on a screen where there is a terminal (the default there), else by commands',
    )
    .option('--plain', 'item by item in lines instead of a screen')
    .option('--do <commands>', 'item by item: commands with semicolons between them')
    .option('--from <event>', 'item by item, from this event on', whole)
    .option('--quiet', 'leave out what the program prints')
    .option('--json', 'the verdict as JSON')
    .addHelpText(
      'after',
      `
Commands of --step and --do:
${COMMAND_HELP}

What the program does without its reactor (files that it writes, processes that it starts) is done again.

Examples:
  $ underloop replay server.rec
  $ underloop replay server.rec changed-server.js
  $ underloop replay --to 5000 server.rec
  $ underloop replay --from 5000 --do 's 2; back' server.rec

Exit status: 0 the same; 1 something differs, or the recording is damaged; 2 a mistake in the arguments, or no such file;
130 interrupted.`,
    )
    .action(run);
}
