// Runs all benchmarks and prints one report: `npm run bench`, or `npm run bench -- --quick`.

import { writeFileSync } from 'node:fs';
import { allocationsFailed, formatAllocations, runAllocations } from './allocations.js';
import { besideFailed, formatBeside, runBeside } from './beside.js';
import { callsFailed, formatCalls, runCalls } from './calls.js';
import { churnFailed, formatChurn, runChurn } from './churn.js';
import { dispatchFailed, formatDispatch, runDispatch } from './dispatch.js';
import { formatHttp, httpFailed, runHttp } from './http.js';
import { ECHO_KNOWN, echoFailed, formatEcho, runEcho } from './echo.js';
import { describeEnvironment, formatEnvironment } from './lib/environment.js';
import { buildLimits } from './lib/limit.js';
import { UsageError, formatHelp, parseOptions } from './lib/options.js';
import { formatMemory, memoryFailed, runMemory } from './memory.js';
import { formatModels, modelsFailed, runModels } from './models.js';
import { choosePinning } from './lib/processes.js';
import { Progress } from './lib/progress.js';
import { formatReactors, reactorsFailed, runReactors } from './reactors.js';
import { formatTimers, runTimers, timersFailed } from './timers.js';
import { formatUdp, runUdp, udpFailed } from './udp.js';
import { URING_SERVERS, formatUring, runUring, uringFailed } from './uring.js';
import { formatTrace, runTrace, traceFailed } from './trace.js';

const KNOWN = {
  ...ECHO_KNOWN,
  parts: [
    'echo',
    'churn',
    'memory',
    'dispatch',
    'udp',
    'beside',
    'models',
    'allocations',
    'calls',
    'timers',
    'trace',
    'http',
    'uring',
    'reactors',
  ],
  servers: [...new Set([...ECHO_KNOWN.servers, ...URING_SERVERS])],
};

const PARTS = {
  echo: { run: runEcho, format: formatEcho, failed: echoFailed },
  churn: { run: runChurn, format: formatChurn, failed: churnFailed },
  memory: { run: runMemory, format: formatMemory, failed: memoryFailed },
  dispatch: { run: runDispatch, format: formatDispatch, failed: dispatchFailed },
  beside: { run: runBeside, format: formatBeside, failed: besideFailed },
  models: { run: runModels, format: formatModels, failed: modelsFailed },
  allocations: { run: runAllocations, format: formatAllocations, failed: allocationsFailed },
  trace: { run: runTrace, format: formatTrace, failed: traceFailed },
  http: { run: runHttp, format: formatHttp, failed: httpFailed },
  udp: { run: runUdp, format: formatUdp, failed: udpFailed },
  calls: { run: (_options, pinning) => runCalls(pinning), format: formatCalls, failed: callsFailed },
  uring: { run: runUring, format: formatUring, failed: uringFailed },
  reactors: { run: runReactors, format: formatReactors, failed: reactorsFailed },
  timers: { run: runTimers, format: formatTimers, failed: timersFailed },
};

async function main() {
  const options = parseOptions(process.argv.slice(2), KNOWN);
  if (options.help) {
    process.stdout.write(
      formatHelp('npm run bench --', 'Measures underloop against limits written in C.', KNOWN),
    );
    return;
  }
  buildLimits();
  const pinning = choosePinning();
  const report = { environment: describeEnvironment(pinning), parts: {} };
  const progress = new Progress();
  const texts = [formatEnvironment(report.environment)];
  for (const name of options.parts) {
    progress.line(`part: ${name}`);
    const { run, format, failed } = PARTS[name];
    const result = await run(options, pinning, progress);
    report.parts[name] = result;
    texts.push(format(result));
    if (failed(result)) process.exitCode = 1;
  }
  console.log(texts.join('\n\n'));
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 1)}\n`);
}

await main().catch((error) => {
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
