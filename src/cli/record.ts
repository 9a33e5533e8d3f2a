// underloop record SCRIPT: runs a program as it is, and keeps everything that came into it.

import * as path from 'node:path';
import { Command } from 'commander';
import { argumentError } from '../errors.js';
import { record } from '../replay/run.js';
import { endedLine, recordLines } from '../replay/say.js';
import { EXIT, interruptible } from './exit.js';
import { checkFile, isSameFile } from './files.js';
import { bytes } from './parse.js';
import { packageVersion } from './version.js';

interface Flags {
  output?: string;
  bytesMax: number;
  register?: boolean;
  json?: boolean;
}

const BYTES_MAX = '1G';
/** A recording has a block of this size at least. */
const BYTES_MIN = 1024 * 1024;

/** Aborted by what ends us, with the signal's name: the program is to get it too. */
function passedOn(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      // A terminal gives its interrupt to all processes of the group by itself.
      if (name !== 'SIGINT' || !process.stdin.isTTY) controller.abort(name);
    });
  }
  return controller.signal;
}

async function run(script: string, args: string[], flags: Flags): Promise<void> {
  checkFile('SCRIPT', 'a file that is there', script);
  if (flags.bytesMax < BYTES_MIN) throw argumentError('--bytes-max', 'at least 1M', flags.bytesMax);
  const file = flags.output ?? `${path.parse(script).name}.rec`;
  if (isSameFile(script, file)) {
    const other = 'another file than SCRIPT, which it would overwrite (underloop replay runs a recording)';
    throw argumentError('--output', other, file);
  }
  const signal = interruptible();
  const recorded = await record({
    script: path.resolve(script),
    args,
    file,
    bytesMax: flags.bytesMax,
    imports: flags.register === true ? [new URL('../node/register.js', import.meta.url).href] : [],
    version: packageVersion,
    signal: passedOn(),
    ...(flags.json !== true && { onEnded: (ended) => say([endedLine(ended, file)]) }),
  });
  const { code, summary, ended, extent } = recorded;
  if (flags.json === true) {
    const { events, bytes: size } = extent;
    const told = { file, events, bytes: size, code, signal: recorded.signal };
    const rest = { ended: ended?.why ?? null, uncovered: summary?.uncovered ?? null };
    process.stderr.write(`${JSON.stringify({ ...told, ...rest })}\n`);
  } else say(recordLines(recorded, file));
  if (signal.aborted) process.exitCode = EXIT.interrupted;
  else process.exitCode = code === 0 && ended?.failed !== true ? EXIT.ok : EXIT.failed;
}

function say(lines: readonly string[]): void {
  process.stderr.write(lines.map((line) => `underloop: ${line}\n`).join(''));
}

export function recordCommand(): Command {
  return new Command('record')
    .summary('run a program and keep everything that comes into it')
    .description(
      'Runs a script that uses underloop, unchanged, and writes a recording: what each system call of its reactors gave,\n' +
        'the bytes that were read, the date, random numbers, timers and signals. underloop replay runs it again from that.\n' +
        'The program has the terminal; what is said here goes to standard error.',
    )
    .argument('<script>', 'the program')
    .argument('[args...]', "the program's own arguments")
    .option('-o, --output <file>', 'the recording (default: the name of the script, with .rec)')
    .option(
      '--bytes-max <size>',
      'the recording ends, and the program goes on, at this size',
      bytes,
      bytes(BYTES_MAX),
    )
    .option('--register', "put the program's node:net on the reactor first")
    .option('--json', 'the report as JSON')
    .passThroughOptions()
    .addHelpText(
      'after',
      `
A recording holds the bytes that were read and the environment of the program: both may be secrets. The file can be read
by its owner only.

Examples:
  $ underloop record server.js
  $ underloop record -o crash.rec --bytes-max 200M server.js --port 8080
  $ underloop replay server.rec

Exit status: 0 the program ended well; 1 it failed, or the recording could not be written (a full disk, a file that another
recording is being written to); 2 a mistake in the arguments; 130 interrupted (the recording is whole).`,
    )
    .action(run);
}
