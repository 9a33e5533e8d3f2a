// underloop advise: plain advice for the reader's own numbers, by the law of a crossover or of a short calibration.

import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import {
  advise,
  calibrationFile,
  checkQuestion,
  machineLimits,
  readCalibration,
  readCrossoverFile,
  renderAdvice,
  writeCalibration,
  type Question,
} from '../compare/advise/index.js';
import type { CrossoverReport } from '../compare/crossover/index.js';
import { toJson } from '../compare/index.js';
import { runCrossover } from './crossover.js';
import { EXIT, interruptible } from './exit.js';
import { bytes, duration, microseconds, positive, whole } from './parse.js';
import { packageVersion } from './version.js';

interface Flags {
  connections: number;
  wait: number;
  cpu: number;
  memory?: number;
  rate?: number;
  p99?: number;
  cores?: number;
  from?: string;
  recalibrate?: boolean;
  json?: boolean;
  quiet?: boolean;
}

interface Source {
  readonly report: CrossoverReport;
  readonly text: string;
}

/** The file that was given, the calibration of this machine, or a new one. Null: it was interrupted. */
async function sourceOf(flags: Flags): Promise<Source | null> {
  if (flags.from !== undefined) return { report: readCrossoverFile(flags.from), text: flags.from };
  const path = calibrationFile(packageVersion);
  const kept = flags.recalibrate === true ? null : readCalibration(path);
  if (kept !== null && kept.law !== null)
    return { report: kept, text: `of ${kept.startedAt}, kept in ${path} (--recalibrate makes a new one)` };
  const quiet = flags.quiet === true;
  if (!quiet)
    process.stderr.write(
      'No calibration of this machine yet: threads and a loop are measured now, for about a minute.\n',
    );
  const options = { models: ['threads', 'epoll'], rounds: 2 };
  const report = await runCrossover(options, interruptible(), quiet, true);
  if (report.interrupted) return null;
  const trouble = writeCalibration(path, report);
  const seconds = (report.elapsedMs / 1000).toFixed(0);
  return {
    report,
    text:
      trouble === null
        ? `made now, in ${seconds} s, and kept in ${path}`
        : `made now, in ${seconds} s, and not kept: ${trouble}`,
  };
}

async function run(flags: Flags): Promise<void> {
  const question: Question = {
    connections: flags.connections,
    waitMs: flags.wait,
    cpuUs: flags.cpu,
    memoryBytes: flags.memory ?? null,
    ratePerSecond: flags.rate ?? null,
    p99Us: flags.p99 ?? null,
    cores: flags.cores ?? availableParallelism(),
  };
  checkQuestion(question); // a mistake shall not cost a calibration
  const source = await sourceOf(flags);
  if (source === null) {
    process.stderr.write('Interrupted: there is no calibration, and no advice without one.\n');
    process.exitCode = EXIT.interrupted;
    return;
  }
  const advice = advise(question, source.report, source.text, machineLimits());
  process.stdout.write(flags.json === true ? toJson(advice) : `${renderAdvice(advice)}\n`);
  process.exitCode = EXIT.ok;
}

export function adviseCommand(): Command {
  return new Command('advise')
    .summary('which model for your own numbers, and why')
    .description(
      'Says which models can serve a load, with what throughput, latency, CPU and memory, and which one to take.',
    )
    .requiredOption('--connections <n>', 'connections at once', whole)
    .option('--wait <time>', 'what a request waits on others, as 20ms', duration, 0)
    .option('--cpu <time>', 'what a request computes, as 2ms or 500us', microseconds, 0)
    .option('--memory <bytes>', 'what the server may use, as 512M or 2G', bytes)
    .option(
      '--rate <n>',
      'requests per second that come (default: each connection asks all the time)',
      positive,
    )
    .option('--p99 <time>', 'the slowest hundredth shall be answered in this, as 50ms', microseconds)
    .option('--cores <n>', 'cores that the server may use (default: those of this machine)', whole)
    .option('--from <file>', 'a crossover, from `underloop crossover --json FILE`')
    .option('--recalibrate', 'measure this machine anew')
    .option('--json', 'print the advice as JSON')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      `
Examples:
  $ underloop advise --connections 500 --wait 20ms --cpu 2ms --memory 512M
  $ underloop advise --connections 20000 --wait 100ms --cpu 50us --rate 3000 --p99 150ms
  $ underloop advise --from crossover.json --connections 8 --cpu 100us

Without --from the costs are those of this machine, measured once (about a minute) and kept in the cache folder.
Exit status: 0 there is advice, be it that no model can do it; 1 it could not be measured; 2 a mistake in the arguments;
130 interrupted.`,
    )
    .action(run);
}
