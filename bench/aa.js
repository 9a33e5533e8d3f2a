// Each model against itself, again and again: how often `underloop compare echo` names a winner where there is none.

import { parseArgs } from 'node:util';
import { compare, contestantNames } from '../dist/compare/index.js';
import { makeContestants, whyUnavailable } from '../dist/compare/contestants.js';
import { DIFFERENCE_MIN, differs, ratioOf } from '../dist/compare/verdict.js';
import { Progress } from './lib/progress.js';
import { median } from './lib/statistics.js';
import { formatTable } from './lib/table.js';

/** The bar: at most so many runs of {@link RUNS_OF_BAR} may name a winner. */
const WINNERS_MAX = 2;
const RUNS_OF_BAR = 40;
/** The figures of echo's verdict. Throughput counts here even where the client set it: it may not name a winner either. */
const FIGURES = { serverCpuUs: 'server CPU', requestsPerSecond: 'requests/s' };

/** Models that serve few at once, or start slowly, are asked for as much as they can do. */
const CONNECTIONS = { sequential: 1, worker: 8 };
const CONNECTIONS_USUAL = 64;

const HELP = `Compares each model with itself and counts the winners.

usage: node bench/aa.js [options]
  --runs N           comparisons in all, over the models in turn (default ${RUNS_OF_BAR})
  --minutes-max N    begin none after so long (default 15)
  --models LIST      of: ${contestantNames.join(', ')} (default: all that run here)
  --rounds N         of each comparison (default 6)
  --duration-ms MS   the window of each cell (default 400)
  --warmup-ms MS     before it (default 300)
  --seed N           of the first comparison; each further one has the next (default: random, and printed)
Exit status: 0 the bar is kept (${WINNERS_MAX} of ${RUNS_OF_BAR} at most); 1 it is not, a run failed, or time was up; 2 a mistake above.
`;

const number = (fallback) => ({ type: 'string', default: String(fallback) });

function parse() {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      runs: number(RUNS_OF_BAR),
      'minutes-max': number(15),
      models: { type: 'string' },
      rounds: number(6),
      'duration-ms': number(400),
      'warmup-ms': number(300),
      seed: number(Math.floor(Math.random() * 2 ** 31)),
    },
  });
  if (values.help) return null;
  for (const name of ['runs', 'minutes-max', 'rounds', 'duration-ms', 'warmup-ms', 'seed']) {
    if (!(Number(values[name]) >= 0)) throw new Error(`--${name}: ${values[name]} is not a number`);
  }
  const named = values.models?.split(',') ?? contestantNames;
  const models = makeContestants(named)
    .filter((contestant) => whyUnavailable(contestant) === null)
    .map(({ label }) => label);
  if (models.length === 0) throw new Error('--models: none of these runs here');
  return { ...values, models };
}

/** What a comparison says of two that are the same: by figure the ratio, and whether it names a winner. */
async function compareWithItself(model, values, seed, signal) {
  const report = await compare(
    'echo',
    {
      ...{ models: [model, model], connections: CONNECTIONS[model] ?? CONNECTIONS_USUAL, seed },
      ...{ rounds: Number(values.rounds), durationMs: Number(values['duration-ms']) },
      ...{ warmUpMs: Number(values['warmup-ms']), systemCalls: false },
    },
    { signal },
  );
  const failures = report.cells.flatMap(({ failure }) => failure ?? []);
  const [first, second] = report.contestants.map(({ label }) => label);
  const ratios = {};
  for (const figure of Object.keys(FIGURES)) {
    const ratio = ratioOf(report, figure, second, first);
    if (ratio !== null) ratios[figure] = ratio;
  }
  const found = Object.keys(ratios);
  const excludesOne = ({ interval }) => interval !== null && (interval.low > 1 || interval.high < 1);
  return {
    ...{ model, ratios, failures, interrupted: report.interrupted },
    winners: found.filter((figure) => differs(ratios[figure])),
    excluding: found.filter((figure) => excludesOne(ratios[figure])),
  };
}

const percent = (share) => `${(share * 100).toFixed(1)}%`;

function format(runs, values) {
  const models = [...new Set(runs.map(({ model }) => model))];
  const rows = models.map((model) => {
    const own = runs.filter((run) => run.model === model);
    const figures = Object.keys(FIGURES).flatMap((figure) => {
      const off = own.flatMap(({ ratios }) =>
        ratios[figure] === undefined ? [] : Math.abs(Math.log(ratios[figure].median)),
      );
      return [
        off.length === 0 ? '-' : percent(median(off)),
        String(own.filter(({ winners }) => winners.includes(figure)).length),
      ];
    });
    return [
      model,
      String(own.length),
      ...figures,
      String(own.filter(({ winners }) => winners.length > 0).length),
    ];
  });
  const count = (of) => runs.filter((run) => run[of].length > 0).length;
  const named = count('winners');
  const lines = [
    `A/A: ${runs.length} comparisons of a model with itself, ${values.rounds} rounds of ${values['duration-ms']} ms, ` +
      `seeds from ${values.seed}. "off": how far the median ratio is from 1, by median.`,
    formatTable([
      [
        'model',
        'runs',
        ...Object.values(FIGURES).flatMap((title) => [`${title} off`, 'winners']),
        'runs with a winner',
      ],
      ...rows,
    ]),
    `${named} of ${runs.length} runs named a winner. By a rule without the least difference of ${DIFFERENCE_MIN * 100}% it were ${count('excluding')}.`,
    ...runs
      .filter(({ winners }) => winners.length > 0)
      .map(({ model, winners, ratios }) => {
        const texts = winners.map((figure) => {
          const { median: middle, interval } = ratios[figure];
          return `${FIGURES[figure]} x ${middle.toFixed(3)} [${interval.low.toFixed(3)}, ${interval.high.toFixed(3)}]`;
        });
        return `  ${model}: ${texts.join(', ')}`;
      }),
    ...runs.flatMap(({ model, failures }) => failures.map((failure) => `  ${model} FAILED: ${failure}`)),
  ];
  if (runs.length < RUNS_OF_BAR) lines.push(`The bar is on ${RUNS_OF_BAR} runs: too few for it.`);
  else {
    const allowed = Math.floor((WINNERS_MAX * runs.length) / RUNS_OF_BAR);
    lines.push(`Wanted at most ${allowed}: ${named <= allowed ? 'kept' : 'NOT KEPT'}`);
  }
  return lines.join('\n');
}

async function main() {
  let values;
  try {
    values = parse();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 2;
    return;
  }
  if (values === null) {
    process.stdout.write(HELP);
    return;
  }
  const aborting = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => aborting.abort());
  const progress = new Progress();
  const endMs = performance.now() + Number(values['minutes-max']) * 60_000;
  const runs = [];
  const wanted = Number(values.runs);
  while (runs.length < wanted && performance.now() < endMs && !aborting.signal.aborted) {
    const model = values.models[runs.length % values.models.length];
    progress.step(`A/A: run ${runs.length + 1} of ${wanted}, ${model}`);
    const run = await compareWithItself(model, values, Number(values.seed) + runs.length, aborting.signal);
    if (!run.interrupted) runs.push(run);
  }
  progress.clear();
  if (runs.length < wanted)
    console.log(`Only ${runs.length} of ${wanted} runs: time was up, or it was interrupted.`);
  if (runs.length === 0) {
    process.exitCode = 1;
    return;
  }
  console.log(format(runs, values));
  const named = runs.filter(({ winners }) => winners.length > 0).length;
  const failed = runs.some(({ failures }) => failures.length > 0);
  if (
    failed ||
    runs.length < wanted ||
    named * RUNS_OF_BAR > WINNERS_MAX * Math.max(runs.length, RUNS_OF_BAR)
  )
    process.exitCode = 1;
}

await main();
