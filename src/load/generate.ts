// The load generator's process: one JSON config line in (stdin, or --config), progress and one JSON result line out.

import { fstatSync } from 'node:fs';
import { inspect } from 'node:util';
import { argumentError } from '../errors.js';
import { Flags, startLifeline } from '../workload/process.js';
import type { LoadConfig } from './config.js';
import { LoadRun } from './run.js';

const USAGE = `usage: node dist/load/generate.js [--config JSON] [--lifeline-fd N]

Without --config it says that it is ready, and the first line of stdin is the config. A pipe on stdin is also a lifeline: its end, like Ctrl-C, ends
the run, and what was measured so far is reported. Further lines: "start" (with startOnLine), "stop".

    node dist/load/generate.js --config '{"port":4000,"mode":"closed","connections":64,"durationMs":2000}'

Exit status: 0 all well; 1 the run failed, see "failure" in its result; 2 wrong arguments.
`;

/** A config has a few hundred bytes; 75,000 source addresses have a megabyte. */
const LINE_BYTES_MAX = 1024 * 1024;

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** The last line, and then the end: nothing else in this process has anything left to do. */
function finish(value: unknown, exitCode: number): void {
  process.stdout.write(`${JSON.stringify(value)}\n`, () => process.exit(exitCode));
}

class Generator {
  private run: LoadRun | null = null;
  private text = '';
  private ended = false;

  begin(configText: string): void {
    try {
      this.run = new LoadRun(parse(configText), { onProgress: print });
    } catch (error) {
      this.refuse(error);
      return;
    }
    this.run.finish().then(
      (result) => finish(result, result.failure === null ? 0 : 1),
      (error: unknown) => this.refuse(error, 1),
    );
    if (this.ended) this.run.stop();
  }

  /** Lines of stdin: the config, if it did not come as an argument, then words. */
  read(text: string): void {
    this.text += text;
    for (let end = this.text.indexOf('\n'); end >= 0; end = this.text.indexOf('\n')) {
      const line = this.text.slice(0, end).trim();
      this.text = this.text.slice(end + 1);
      if (this.run === null) this.begin(line);
      else if (line === 'start') this.run.start();
      else if (line === 'stop') this.run.stop();
    }
    if (this.text.length > LINE_BYTES_MAX) {
      this.refuse(argumentError('stdin', `lines of at most ${LINE_BYTES_MAX} bytes`, this.text.slice(0, 40)));
    }
  }

  /** The parent is gone, or wants us to be. */
  stop(): void {
    this.ended = true;
    if (this.run === null) this.refuse(argumentError('stdin', 'a line with the config', this.text));
    else this.run.stop();
  }

  private refuse(error: unknown, exitCode = 2): void {
    const { code = null, message = inspect(error) } = error as { code?: string; message?: string };
    process.stderr.write(`generate: ${message}\n`);
    finish({ type: 'error', code, message }, exitCode);
  }
}

function parse(text: string): LoadConfig {
  try {
    return JSON.parse(text) as LoadConfig;
  } catch {
    throw argumentError('config', 'one line of JSON', text);
  }
}

function main(args: string[]): void {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return;
  }
  let config: string | undefined;
  try {
    const flags = Flags.parse(args, ['config']);
    const lifelineFd = flags.integer('lifeline-fd', 0, 0x7fffffff);
    if (lifelineFd !== undefined) startLifeline(lifelineFd);
    config = flags.text('config');
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const generator = new Generator();
  // Nobody reads any more: there is nobody to measure for.
  process.stdout.on('error', () => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => generator.stop());
  if (config !== undefined) generator.begin(config);
  else print({ type: 'ready', pid: process.pid });
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (text: string) => generator.read(text));
  // A terminal or /dev/null at its end says nothing; a pipe says that the parent has gone.
  const stdin = fstatSync(0);
  const isLifeline = stdin.isFIFO() || stdin.isSocket();
  process.stdin.on('end', () => {
    if (isLifeline || config === undefined) generator.stop();
  });
}

main(process.argv.slice(2));
