// Advice in sentences, and as text for a terminal.

import { formatBytes, formatCount, formatTable, wrap } from '../render/format.js';
import { isBlocking } from '../crossover/verdict.js';
import { LEVEL, type Advice, type Candidate } from './report.js';

export function sayUs(us: number): string {
  if (us === Infinity) return 'without end';
  if (us >= 1e6) return `${(us / 1e6).toFixed(us < 1e7 ? 2 : 0)} s`;
  return us >= 1000 ? `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms` : `${us.toFixed(0)} us`;
}

/** Few per second are a number too. */
export const formatRate = (perSecond: number): string =>
  perSecond >= 10 || perSecond === 0 ? formatCount(perSecond) : String(Number(perSecond.toPrecision(2)));

export const sayRate = (perSecond: number): string => `${formatRate(perSecond)} requests per second`;

const several = (count: number, name: string): string =>
  `${formatCount(count)} ${name}${count === 1 ? '' : 's'}`;

/** `a pool of 12 threads`, `2 reactors`. */
export function nameOf({ model, count }: Pick<Candidate, 'model' | 'count'>): string {
  if (model === 'pool') return `a pool of ${several(count ?? 0, 'thread')}`;
  if (model === 'reactors') return `${formatCount(count ?? 0)} reactors`;
  if (model === 'threads') return 'a thread per connection';
  return isBlocking(model) ? `the model ${model}` : `one loop (${model})`;
}

const and = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;

function sayTake({ candidates, take, question }: Omit<Advice, 'sentences'>): string {
  const able = candidates.filter(({ reasons }) => reasons.length === 0);
  const taken = able.filter(({ model }) => take.includes(model));
  if (able.length === 0)
    return 'None of the models can do it with these numbers: see what stands against each.';
  const names = taken.map(nameOf);
  if (taken.length === able.length && able.length > 1)
    return `Take any: ${and(names)} do the same here within what such a prediction can tell. Take what is simplest to write.`;
  const others = able.filter(({ model }) => !take.includes(model));
  const most = Math.max(...taken.map(({ forecast }) => forecast.requestsPerSecond));
  const least = Math.min(...taken.map(({ forecast }) => forecast.serverCpuUs));
  const behind = others.map((one) => {
    const share = one.forecast.requestsPerSecond / most;
    return share < 1 / (1 + LEVEL)
      ? `${nameOf(one)} does ${(share * 100).toFixed(0)}% of it`
      : `${nameOf(one)} takes ${(one.forecast.serverCpuUs / least).toFixed(1)} times the CPU per request`;
  });
  const why = behind.length === 0 ? 'nothing else can do it' : and(behind);
  const goal =
    question.ratePerSecond === null ? `${taken.length > 1 ? 'up to ' : ''}${sayRate(most)}` : 'the rate';
  return `Take ${names.join(' or ')}: ${goal}; ${why}.`;
}

function sayLimit({ question, candidates, take, underWay }: Omit<Advice, 'sentences'>): string[] {
  const best = candidates.find(({ model }) => model === take[0]);
  if (best === undefined) return [];
  const { forecast: of } = best;
  const sentences: string[] = [];
  const { cores } = question;
  const loop = candidates.find(({ model, blocking }) => !blocking && model !== 'reactors');
  if (of.limit === 'server CPU') {
    sentences.push(
      `CPU limits first: a request takes ${sayUs(of.serverCpuUs)} of it, so ${best.model === loop?.model || cores === 1 ? 'a core does' : `${cores} cores do`} about ` +
        `${formatRate(of.capacityPerSecond)} per second; more connections would only wait longer.`,
    );
    if (loop !== undefined && cores > 1)
      sentences.push(
        `One loop uses one of the ${cores} cores and does ${formatRate(loop.forecast.capacityPerSecond)}; threads use all of them by themselves, ` +
          'and so does a reactor for each core (`reactors`).',
      );
  } else {
    sentences.push(
      `The connections limit first: each waits most of its time, so ${formatCount(question.connections)} of them make at most ` +
        `${sayRate(of.capacityPerSecond)} (Little's law), and the server is ${((of.busyCores / Math.max(cores, 1)) * 100).toFixed(0)}% busy.`,
    );
  }
  if (question.ratePerSecond !== null && loop !== undefined) {
    const needed = (question.ratePerSecond * loop.forecast.serverCpuUs) / 1e6;
    const reactors = Math.ceil(needed / 0.8);
    if (reactors > 1)
      sentences.push(
        `The rate needs ${needed.toFixed(1)} cores: more than one loop has. Take ${reactors} reactors or more, on as many cores.`,
      );
  }
  sentences.push(
    `About ${underWay < 10 ? underWay.toFixed(1) : formatCount(underWay)} requests are under way at once (rate x latency).`,
  );
  return sentences;
}

function sayPool({ candidates, question }: Omit<Advice, 'sentences'>): string[] {
  const pool = candidates.find(({ model }) => model === 'pool');
  if (pool === undefined) return [];
  const count = several(pool.count ?? 0, 'thread');
  if (pool.reasons.length > 0) return [];
  const left = formatCount(question.connections - (pool.count ?? 0));
  return [
    `A blocking pool of ${count} is good enough (Little's law: so many requests are under way) if a connection leaves its ` +
      'thread between requests: short connections, or requests handed to the pool. One that keeps its thread while it is idle ' +
      `leaves ${left} of ${formatCount(question.connections)} connections unanswered.`,
  ];
}

export function sayAdvice(advice: Omit<Advice, 'sentences'>): string[] {
  const against = advice.candidates
    .filter(({ reasons }) => reasons.length > 0)
    .map((one) => `Not ${nameOf(one)}: it ${and(one.reasons)}.`);
  return [sayTake(advice), ...against, ...sayLimit(advice), ...sayPool(advice)];
}

export function renderAdvice(advice: Advice): string {
  const { question, candidates, take, calibration } = advice;
  const { connections, waitMs, cpuUs, memoryBytes, ratePerSecond, p99Us, cores } = question;
  const bounds = [
    ratePerSecond === null ? 'each asks again as soon as it is answered' : sayRate(ratePerSecond),
    ...(p99Us === null ? [] : [`p99 of ${sayUs(p99Us)}`]),
    ...(memoryBytes === null ? [] : [formatBytes(memoryBytes)]),
    several(cores, 'core'),
  ];
  const rows = candidates.map((one) => {
    const { forecast: of } = one;
    const mark = one.reasons.length > 0 ? '- ' : take.includes(one.model) ? '> ' : '  ';
    return [
      `${mark}${nameOf(one)}`,
      formatRate(of.capacityPerSecond),
      sayUs(of.latencyUs),
      sayUs(of.p99Us),
      sayUs(of.serverCpuUs),
      of.busyCores.toFixed(2),
      of.memoryBytes === null ? '?' : formatBytes(of.memoryBytes),
    ];
  });
  return [
    wrap(
      `${several(connections, 'connection')}, each request works ${sayUs(cpuUs)} and waits ${sayUs(waitMs * 1000)}; ${bounds.join(', ')}`,
    ),
    '',
    formatTable([['', 'at most /s', 'latency', 'p99', 'CPU/request', 'cores busy', 'memory'], ...rows]),
    '  (> take this; - cannot do it; all by the law, to be believed within some 15%)',
    '',
    ...advice.sentences.map((line) => wrap(`> ${line}`, '  ')),
    '',
    wrap(`Calibration: ${calibration}.`, '  '),
  ].join('\n');
}
