// underloop trace export FILE: a recorded trace as JSON Lines, for the Perfetto UI, or as a log for people.

import { createWriteStream, existsSync } from 'node:fs';
import { Argument, Command, Option } from 'commander';
import { argumentError } from '../errors.js';
import { TRACE_FORMATS, exportTrace, type TraceFormat } from '../trace/index.js';

async function run(file: string, flags: { format: TraceFormat; output?: string }): Promise<void> {
  if (!existsSync(file)) throw argumentError('FILE', 'a trace that is there', file);
  const output = flags.output === undefined ? process.stdout : createWriteStream(flags.output);
  const { truncated } = await exportTrace(file, flags.format, output);
  if (output !== process.stdout) output.end();
  if (truncated)
    process.stderr.write(`underloop: the end of ${file} is missing; all whole records were written\n`);
}

export function traceCommand(): Command {
  const command = new Command('trace').summary('what a recorded reactor did').description('Reads traces.');
  command
    .command('export')
    .summary('write a trace in another form')
    .description('Writes a recorded trace in a form that others read.')
    .addArgument(new Argument('<file>', 'a trace: UNDERLOOP_TRACE=FILE node app.js records one'))
    .addOption(
      new Option('--format <name>', 'chrome opens in the Perfetto UI').choices(TRACE_FORMATS).default('text'),
    )
    .option('--output <file>', 'where to (default: standard output)')
    .addHelpText(
      'after',
      `
Examples:
  $ UNDERLOOP_TRACE=app.trace node app.js
  $ underloop trace export app.trace
  $ underloop trace export app.trace --format chrome --output app.json`,
    )
    .action(run)
    .exitOverride();
  return command;
}
