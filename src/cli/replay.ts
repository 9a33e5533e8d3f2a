// underloop replay FILE: runs a recorded program again, without a kernel, and says whether it does the same.

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { argumentError } from '../errors.js';
import { replay, type Replayed } from '../replay/run.js';
import { circumstanceLines, verdictLines, versionLines } from '../replay/say.js';
import { EXIT, interruptible } from './exit.js';
import { whole } from './parse.js';

interface Flags {
  to?: number;
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
  const isSame = verdict !== null && verdict.type !== 'differs' && verdict.type !== 'damaged';
  return isSame ? EXIT.ok : EXIT.failed;
}

async function run(file: string, script: string | undefined, flags: Flags): Promise<void> {
  if (!existsSync(file)) throw argumentError('FILE', 'a recording that is there', file);
  if (script !== undefined && !existsSync(script))
    throw argumentError('SCRIPT', 'a file that is there', script);
  const signal = interruptible();
  const json = flags.json === true;
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
    .option('--quiet', 'leave out what the program prints')
    .option('--json', 'the verdict as JSON')
    .addHelpText(
      'after',
      `
What the program does without its reactor (files that it writes, processes that it starts) is done again.

Examples:
  $ underloop replay server.rec
  $ underloop replay server.rec changed-server.js
  $ underloop replay --to 5000 server.rec

Exit status: 0 the same; 1 something differs, or the recording is damaged; 2 a mistake in the arguments, or no such file;
130 interrupted.`,
    )
    .action(run);
}
