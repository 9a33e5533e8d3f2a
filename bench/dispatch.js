// Dispatch as registered descriptors grow: from 200 to 19,000 eventfds of which 100 are ready, beside the same loop in C.

import { fileURLToPath } from 'node:url';
import { runAlone } from './lib/alone.js';
import { limitProgram } from './lib/limit.js';
import { runToEnd } from './lib/processes.js';
import { median, seededRandom, shuffled, summarise } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

const FEW = 200;
const MANY = 19_000;
const ACTIVE = 100;
/** Our growth over C's, in the same round. */
const BAR = 1.1;
/** Until the compiler has settled. C is given the same. */
const WARMUP_MS = 300;
/** One process is timed for so long at most: the others of its round must meet the same machine. */
const DURATION_MS_MAX = 400;
/** poll(2) with 19,000 registered takes milliseconds for each turn. */
const TIMEOUT_MS = 60_000;

const BASELINE = 'c-epoll';
const program = fileURLToPath(new URL('servers/dispatch.js', import.meta.url));
const C = (registered, durationMs) => [
  limitProgram('dispatch'),
  ...['--registered', registered, '--active', ACTIVE],
  ...['--warmup-ms', WARMUP_MS, '--duration-ms', durationMs],
];
const ours = (poller) => (registered, durationMs) => [
  ...[process.execPath, program, poller],
  ...[registered, ACTIVE, WARMUP_MS, durationMs],
];
const LOOPS = {
  [BASELINE]: C,
  [`${BASELINE}-again`]: C,
  reactor: ours('epoll'),
  'reactor-poll': ours('poll'),
  'reactor-select': ours('select'),
};
const KNOWN = {
  cells: [],
  servers: Object.keys(LOOPS),
  defaultServers: Object.keys(LOOPS),
  parts: ['dispatch'],
};

/** One process of its own, so that where its memory happens to lie is another each time. */
async function measure(command, cpu) {
  const { code, stdout, ending } = await runToEnd(command.map(String), cpu, TIMEOUT_MS);
  if (code !== 0) throw new Error(ending);
  return JSON.parse(stdout);
}

/** @param {ReturnType<typeof import('./lib/options.js').parseOptions>} options Those of a run of all parts name servers of echo. */
export async function runDispatch(options, pinning, progress) {
  const asked = options.servers.every((name) => name in LOOPS) ? options.servers : KNOWN.defaultServers;
  const names = asked.includes(BASELINE) ? asked : [BASELINE, ...asked];
  const durationMs = Math.min(options.durationMs, DURATION_MS_MAX);
  const random = seededRandom(options.seed);
  const loops = names.map((name) => ({ name, few: [], many: [], refused: {}, failure: null }));
  const all = loops.flatMap((loop) => [
    { loop, size: 'few', registered: FEW },
    { loop, size: 'many', registered: MANY },
  ]);
  for (let round = 0; round < options.rounds; round++) {
    for (const { loop, size, registered } of shuffled(all, random)) {
      if (loop.failure !== null || loop.refused[size] !== undefined) continue;
      progress.step(`dispatch: round ${round + 1} of ${options.rounds}, ${loop.name}, ${registered}`);
      try {
        const run = await measure(LOOPS[loop.name](registered, durationMs), pinning.serverCpu);
        if (run.refused === undefined) loop[size].push({ round, ...run });
        else loop.refused[size] = run.refused;
      } catch (error) {
        loop.failure = error.message;
      }
    }
  }
  progress.clear();
  const { rounds, seed } = options;
  return { rounds, durationMs, seed, registered: [FEW, MANY], active: ACTIVE, loops: summariseLoops(loops) };
}

const nsOf = (runs) => new Map(runs.map(({ round, cpuNsPerEvent }) => [round, cpuNsPerEvent]));

/** Growth of each round, and over that of the baseline in the same round. */
function growthsOf({ few, many }) {
  const fewNs = nsOf(few);
  return new Map(
    [...nsOf(many)]
      .filter(([round]) => fewNs.has(round))
      .map(([round, ns]) => [round, ns / fewNs.get(round)]),
  );
}

function summariseLoops(loops) {
  const baseline = growthsOf(loops.find(({ name }) => name === BASELINE));
  return loops.map((loop) => {
    const growths = growthsOf(loop);
    const ratios = [...growths].filter(([round]) => baseline.has(round)).map(([r, g]) => g / baseline.get(r));
    const nsPerEvent = (runs) => (runs.length === 0 ? null : median(runs.map((run) => run.cpuNsPerEvent)));
    return {
      ...loop,
      fewNs: nsPerEvent(loop.few),
      manyNs: nsPerEvent(loop.many),
      growth: growths.size === 0 ? null : summarise([...growths.values()]),
      growthRatio: ratios.length === 0 ? null : summarise(ratios),
    };
  });
}

export const dispatchFailed = ({ loops }) => loops.some(({ failure }) => failure !== null);

const between = ({ interval, min, max }) =>
  interval ? `${interval.low.toFixed(3)}-${interval.high.toFixed(3)}` : `${min.toFixed(3)}-${max.toFixed(3)}`;

function formatLoop({ name, fewNs, manyNs, growth, growthRatio, refused }) {
  const ns = (value, reason) => (value === null ? (reason ?? '-') : value.toFixed(0));
  const compared = growthRatio !== null && name !== BASELINE;
  return [
    name,
    ns(fewNs, refused.few),
    ns(manyNs, refused.many),
    growth === null ? '-' : growth.median.toFixed(2),
    compared ? growthRatio.median.toFixed(3) : growth === null ? '-' : '1',
    compared ? between(growthRatio) : '-',
  ];
}

/** @param {Awaited<ReturnType<typeof runDispatch>>} dispatch */
export function formatDispatch({ rounds, durationMs, seed, loops }) {
  const ours = loops.find(({ name }) => name === 'reactor')?.growthRatio;
  const heading = [
    'loop',
    `${FEW}, ns`,
    `${MANY.toLocaleString('en')}, ns`,
    'growth',
    "over C's",
    '95% interval',
  ];
  return [
    `Dispatch: CPU time per event, its write and read included, with ${FEW} and with ${MANY.toLocaleString('en')} eventfds ` +
      `registered, of which ${ACTIVE} random ones are written each turn; medians of ${rounds} rounds of ${durationMs} ms, each ` +
      `in a process of its own, order shuffled with seed ${seed}. Growth is compared with C's of the same round.`,
    formatTable([heading, ...loops.map(formatLoop)]),
    [
      ...loops
        .filter(({ failure }) => failure !== null)
        .map(({ name, failure }) => `${name} FAILED: ${failure}`),
      ...(ours
        ? [
            `reactor: grows ${ours.median.toFixed(3)} times as much as C, wanted at most ${BAR}: ` +
              (ours.median <= BAR ? 'kept' : 'NOT KEPT'),
          ]
        : []),
    ].join('\n'),
  ].join('\n\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runAlone({
    name: 'dispatch',
    about: 'Measures how much dearer an event becomes as registered descriptors grow.',
    known: KNOWN,
    run: runDispatch,
    format: formatDispatch,
    failed: dispatchFailed,
  });
}
