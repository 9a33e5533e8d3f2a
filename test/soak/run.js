// `npm run soak`: real sockets under stress until so many events or seconds are over; see docs/soak.md.

import { nativeKernel } from '../../dist/index.js';
import { EXIT, interruptible } from '../../dist/cli/exit.js';
import { formatFloods, runFloods } from './floods.js';
import { HELP, UsageError, parseOptions } from './options.js';
import { formatResult, progressLine } from './report.js';
import { Soak } from './soak.js';

const PROGRESS_MS = 2000;

async function main() {
  const options = parseOptions(process.argv.slice(2), nativeKernel.pollerKinds);
  if (options.help) {
    process.stdout.write(HELP);
    return EXIT.ok;
  }
  if (process.platform !== 'linux') throw new UsageError('the soak reads /proc: it runs on Linux');
  const signal = interruptible();
  const result = options.floods ? await floods(options, signal) : await soak(options, signal);
  if (result.interrupted) return EXIT.interrupted;
  return result.passed ? EXIT.ok : EXIT.failed;
}

async function floods(options, signal) {
  const result = await runFloods(options, nativeKernel.pollerKinds, signal, ({ poller, trigger, role }) => {
    const does = role === 'R' ? 'reads' : 'writes';
    process.stderr.write(`${poller} ${trigger}: the server ${does} for ${options.floodS} s\n`);
  });
  process.stdout.write(`${options.json ? JSON.stringify(result) : formatFloods(result)}\n`);
  return result;
}

async function soak(options, signal) {
  const run = new Soak(options);
  const startedMs = performance.now();
  let toldMs = startedMs;
  const result = await run.run(signal, () => {
    const nowMs = performance.now();
    if (nowMs - toldMs < PROGRESS_MS) return;
    toldMs = nowMs;
    process.stderr.write(`${progressLine(run, nowMs - startedMs)}\n`);
  });
  process.stdout.write(`${options.json ? JSON.stringify(result) : formatResult(result)}\n`);
  return result;
}

await main().then(
  (status) => (process.exitCode = status),
  (error) => {
    process.stderr.write(`${error instanceof UsageError ? error.message : error.stack}\n`);
    process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed;
  },
);
