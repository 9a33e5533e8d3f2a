// The command line that run.js and echo.js share.

import { parseArgs } from 'node:util';

const specification = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'string' },
  rounds: { type: 'string' },
  'duration-ms': { type: 'string' },
  'warmup-ms': { type: 'string' },
  seed: { type: 'string' },
  cells: { type: 'string' },
  servers: { type: 'string' },
  parts: { type: 'string' },
  quick: { type: 'boolean' },
};

/** For a figure worth quoting, and for a look: too few and too short to quote. */
const FULL = { rounds: 12, durationMs: 1000, warmupMs: 2000 };
const QUICK = { rounds: 6, durationMs: 300, warmupMs: 500 };

/** A mistake on the command line: shown without a stack. */
export class UsageError extends Error {}

function wholeNumber(name, text, lowest, highest) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < lowest || value > highest) {
    throw new UsageError(`--${name}: ${text} is not a whole number from ${lowest} to ${highest}`);
  }
  return value;
}

function choice(name, text, known) {
  const chosen = text.split(',').map((part) => part.trim());
  const unknown = chosen.find((part) => !known.includes(part));
  if (unknown !== undefined) throw new UsageError(`--${name}: no ${unknown}; there are: ${known.join(', ')}`);
  return chosen;
}

/**
 * @param {readonly string[]} args
 * @param {{ cells: readonly string[], servers: readonly string[], defaultServers: readonly string[],
 *   parts: readonly string[] }} known
 */
export function parseOptions(args, known) {
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options: specification }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const preset = values.quick === true ? QUICK : FULL;
  const number = (name, fallback, lowest, highest) =>
    values[name] === undefined ? fallback : wholeNumber(name, values[name], lowest, highest);
  const list = (name, names, fallback) =>
    values[name] === undefined ? fallback : choice(name, values[name], names);
  return {
    help: values.help === true,
    jsonFile: values.json ?? null,
    rounds: number('rounds', preset.rounds, 1, 1000),
    durationMs: number('duration-ms', preset.durationMs, 10, 60_000),
    warmupMs: number('warmup-ms', preset.warmupMs, 0, 60_000),
    seed: number('seed', Math.floor(Math.random() * 2 ** 32), 0, 2 ** 32 - 1),
    cells: list('cells', known.cells, known.cells),
    servers: list('servers', known.servers, known.defaultServers),
    parts: list('parts', known.parts, known.parts),
    quick: values.quick === true,
  };
}

/** @param {string} command @param {string} about @param {Parameters<typeof parseOptions>[1]} known */
export function formatHelp(command, about, known) {
  const parts =
    known.parts.length > 1 ? `  --parts LIST       of: ${known.parts.join(', ')} (default: all)\n` : '';
  return `${about}

usage: ${command} [options]
${parts}  --cells LIST       of: ${known.cells.join(', ')} (default: all)
  --servers LIST     of: ${known.servers.join(', ')}
                     (default: ${known.defaultServers.join(', ')}; the baseline always runs)
  --rounds N         rounds per cell (default ${FULL.rounds}; an interval needs 6)
  --duration-ms MS   measured time of each run (default ${FULL.durationMs})
  --warmup-ms MS     first load of each server, not measured (default ${FULL.warmupMs})
  --quick            a look: ${QUICK.rounds} rounds of ${QUICK.durationMs} ms after ${QUICK.warmupMs} ms
  --seed N           the order of servers in the rounds (default: random, and printed)
  --json FILE        also write everything, each run included, to FILE
  --help             this text
`;
}
