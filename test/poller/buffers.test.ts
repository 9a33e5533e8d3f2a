// Memory that native code has a pointer to, taken away, shrunk or shared meanwhile: a coded error or a right answer, never
// a crash. All of it happens in a process of its own, which tells a crash from a failure.

import { constants } from 'node:os';
import { beforeAll, describe, expect, test } from 'vitest';
import { kinds, startChild } from './tools.js';
import type { Child } from './tools.js';

const EFAULT = String(-constants.errno.EFAULT);
const EINVAL = String(-constants.errno.EINVAL);
/** What the public wait, the one below it, and the array say: refused, */
const refused = ['ERR_ARGUMENT', EINVAL];
/** or filled with slot 0, generation 1, readable. */
const filled = ['1', '1', '0,1,1'];
const all = (count: number): string => Array(count).fill('true').join();

const expected: Record<string, string[]> = {
  'events detached': [...refused, ''],
  'events resized below one event': [...filled, ...refused, '0,1'],
  'events resized to nothing, then grown': [...refused, '', ...filled],
  'events of fixed length out of bounds': [...refused, ''],
  'events with an offset': [...filled, '-7,-7,-7,0,1,1,-7,-7,-7,-7,-7,-7'],
  'events shared': filled,
  'events shared and growable': [...filled, ...filled],
  'events not an Int32Array': Array<string[]>(11).fill(refused).flat(),
  "the poller's own events detached": ['1', '0,1,1', '1', '0,1,1'],
  "the poller's own events collected, and kept longer than the poller": ['1', '3000', 'true'],
  'a poller forgotten without close': filled,
  'kernel.buffer bounds': [all(24), '3', '1,2,3'],
  'sendBytes detached': [EFAULT, EFAULT],
  'sendBytes resized': [EFAULT, EFAULT, EFAULT, '1'],
  'sendBytes shared': ['4', '7', '1,2,3,7,7,7,7'],
  'sendBytes bounds and types': [all(12), '1'],
  'descriptors.read and write': ['ERR_ARGUMENT', '2', '1', '3', 'ERR_ARGUMENT', 'EFAULT'],
  'kernel.buffer detached': ['true', '3', '1,2,3', '2'],
};

// The pollers share the code that looks arrays up; one beside the best shows that.
describe.each([kinds[0]!, 'poll'])(
  "caller's buffer detached, resized or shared while its pointer is cached: %s",
  (kind) => {
    const seen = new Map<string, string[]>();
    let end: Awaited<Child['end']>;

    beforeAll(async () => {
      const child = startChild('hostile-buffers.js', [kind], [], ['--expose-gc']);
      for (let line = await child.line(); line !== null; line = await child.line()) {
        const [name, result] = JSON.parse(line) as [string, string[]];
        seen.set(name, result);
      }
      end = await child.end;
    });

    test.each(Object.keys(expected))('%s', (name) => {
      expect(seen.get(name)).toEqual(expected[name]);
    });
    test('the process lives to its end', () => {
      expect(end).toMatchObject({ code: 0, signal: null });
      expect([...seen.keys()]).toEqual(Object.keys(expected));
    });
  },
);
