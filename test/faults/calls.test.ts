// The table of faults knows every call of the kernel seam: what the interfaces declare is read from their source.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { errnoOf } from './fault.js';
import { play } from './run.js';
import { TABLE } from './table.js';
import { workloads } from './workloads.js';

/** The methods of an interface, as its source declares them. */
function methodsOf(file: string, name: string): string[] {
  const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8');
  const body = new RegExp(`export interface ${name} \\{\\n(.*?)\\n\\}`, 's').exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(\w+)\??\(/gm)].map((match) => match[1] ?? '');
}

// They ask nobody, or are told nothing: the clock, memory of our own, and close() of a poller, which returns nothing.
const NO_SYSTEM_CALL = ['now', 'allocateEvents', 'rawFlags'];

test('no call of the kernel and its pollers is missing from the table, and none is there that they have not', () => {
  const declared = [
    ...methodsOf('kernel/kernel.ts', 'Kernel'),
    ...methodsOf('poller/poller.ts', 'KernelPoller'),
  ];
  expect(declared).toEqual(expect.arrayContaining(['socket', 'openReserve', 'recv', 'add', 'wait']));
  const calls = new Set(declared.filter((name) => !NO_SYSTEM_CALL.includes(name)));
  expect(Object.keys(TABLE).sort()).toEqual([...calls].sort());
});

test.runIf(process.platform === 'linux')('every error of the table has a number of this system', () => {
  for (const { errors } of Object.values(TABLE)) {
    for (const name of errors) expect(errnoOf(name)).toBeLessThan(0);
  }
  expect(errnoOf('EAGAIN')).toBe(-constants.errno.EAGAIN);
});

test('every call of the table that can fail is made by some workload', () => {
  const made = new Set<string>();
  for (const workload of workloads)
    for (const name of play(workload, 'level', null).counts.keys()) made.add(name);
  const able = Object.entries(TABLE).filter(([, { errors }]) => errors.length > 0);
  expect(able.map(([name]) => name).filter((name) => !made.has(name))).toEqual([]);
});
