// A part of the benchmarks run by itself: `node bench/PART.js`, with the command line that all parts share.

import { writeFileSync } from 'node:fs';
import { describeEnvironment, formatEnvironment } from './environment.js';
import { buildLimits } from './limit.js';
import { UsageError, formatHelp, parseOptions } from './options.js';
import { choosePinning } from './processes.js';
import { Progress } from './progress.js';

/**
 * Runs one part and prints it; the exit status is 1 when it failed, 2 for a mistake on the command line.
 * @param {{ name: string, about: string, known: Parameters<typeof parseOptions>[1], run: Function, format: Function,
 *   failed: Function }} part
 */
export async function runAlone({ name, about, known, run, format, failed }) {
  try {
    const options = parseOptions(process.argv.slice(2), known);
    if (options.help) {
      process.stdout.write(formatHelp(`node bench/${name}.js`, about, known));
      return;
    }
    buildLimits();
    const pinning = choosePinning();
    const environment = describeEnvironment(pinning);
    const result = await run(options, pinning, new Progress());
    console.log(`${formatEnvironment(environment)}\n\n${format(result)}`);
    if (options.jsonFile !== null)
      writeFileSync(options.jsonFile, `${JSON.stringify({ environment, [name]: result }, null, 1)}\n`);
    if (failed(result)) process.exitCode = 1;
  } catch (error) {
    console.error(error instanceof UsageError ? error.message : error);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
