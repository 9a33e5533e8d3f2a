// The command line of `npm run soak`.

import { parseArgs } from 'node:util';

/** A mistake on the command line: shown without a stack. */
export class UsageError extends Error {}

export const HELP = `Real sockets under stress, and an account of every byte: docs/soak.md.

usage: npm run soak -- [options]
  --events N             ends after so many readiness events (default 200000)
  --duration-s S         ends after so many seconds (default: no such end)
  --seed N               of every decision (default: random, and printed)
  --poller NAME          epoll, poll, select, kqueue (default: the best one here)
  --trigger NAME         level or edge (default level)
  --connections N        open at a time, by the peer (default 200)
  --rate N               frames per second that the peer sends at most (default: no limit)
  --sample-ms MS         between looks at the server's memory (default 5000)
  --without-generations  switches off the check that guards against stale events: the run must then fail
  --floods               instead: 30 s each of a flooding reader and a flooding writer, beside a timer and a second socket
  --flood-s S            how long each flood lasts (default 30)
  --json                 figures as JSON on standard output
  --help                 this text

exit status: 0 nothing lost and no stale call; 1 something was; 2 usage; 130 interrupted
`;

const specification = {
  events: { type: 'string' },
  'duration-s': { type: 'string' },
  seed: { type: 'string' },
  poller: { type: 'string' },
  trigger: { type: 'string' },
  connections: { type: 'string' },
  rate: { type: 'string' },
  'sample-ms': { type: 'string' },
  'without-generations': { type: 'boolean' },
  floods: { type: 'boolean' },
  'flood-s': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

/** @param {readonly string[]} args @param {readonly string[]} pollers those of this machine, best first */
export function parseOptions(args, pollers) {
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options: specification }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const number = (name, fallback, lowest, highest) => {
    if (values[name] === undefined) return fallback;
    const value = /^\d+(\.\d+)?$/.test(values[name]) ? Number(values[name]) : NaN;
    const fits = value >= lowest && value <= highest && (name.endsWith('-s') || Number.isInteger(value));
    if (!fits) throw new UsageError(`--${name}: ${values[name]} is no number from ${lowest} to ${highest}`);
    return value;
  };
  const choice = (name, fallback, known) => {
    const value = values[name] ?? fallback;
    if (value !== undefined && !known.includes(value))
      throw new UsageError(`--${name}: no ${value}; there are: ${known.join(', ')}`);
    return value;
  };
  const durationS = number('duration-s', Infinity, 0.1, 7 * 86_400);
  const poller = choice('poller', values.floods ? undefined : pollers[0], pollers);
  const trigger = choice('trigger', values.floods ? undefined : 'level', ['level', 'edge']);
  if (trigger === 'edge' && (poller === 'poll' || poller === 'select'))
    throw new UsageError(`--trigger: ${poller} has only level`);
  return {
    help: values.help === true,
    events: number('events', durationS === Infinity ? 200_000 : Infinity, 1, 1e12),
    durationS,
    seed: number('seed', Math.floor(Math.random() * 2 ** 32), 0, 2 ** 32 - 1),
    poller,
    trigger,
    // select(2) has no more than 1024 descriptors, and the server opens half as many again.
    connections: number('connections', 200, 1, poller === 'select' ? 500 : 5000),
    rate: number('rate', 0, 1, 1e9),
    sampleMs: number('sample-ms', 5000, 100, 600_000),
    withoutGenerations: values['without-generations'] === true,
    floods: values.floods === true,
    floodS: number('flood-s', 30, 1, 600),
    json: values.json === true,
  };
}
