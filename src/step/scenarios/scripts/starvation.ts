// The script of starvation: how long a neighbour waits while a socket is read that never runs dry.

import { bytesOf, callsOf, count, runsOf, type Lesson, type Scenario } from '../lesson.js';

async function flood(
  lesson: Lesson,
  mode: 'greedy' | 'bounded',
): Promise<{ before: number; bytes: number; items: number }> {
  const program = await lesson.start(mode);
  const fd = program.fd('readFlood');
  if (program.held.next[0].fd !== fd) {
    await program.command(
      'The kernel has reported them the other way round. Put the flood first.',
      'move 1 0',
    );
  }
  await program.command(
    mode === 'greedy'
      ? 'Both are ready. The flood is read first, until nothing is left. Run on until the neighbour is served.'
      : 'The same again, with at most 16 reads per call. Run on until the neighbour is served.',
    'u handler serveNeighbour',
  );
  const before = callsOf(program.events, 'recv', fd).length;
  program.say(`${count(before, 'recv()')} of the flood came before the neighbour.`.replace(')s', ')'));
  await program.command('Run on until all of the flood is read.', 'u handler finish');
  const calls = callsOf(program.events, 'recv', fd);
  const items = runsOf(program.events, 'readFlood');
  program.say(
    `${String(bytesOf(calls))} bytes of the flood were read in ${count(items, 'call')} of its handler.`,
  );
  await program.command('Let the program end.', 'c');
  return { before, bytes: bytesOf(calls), items };
}

export const starvation: Scenario = {
  title: 'a socket that never runs dry',
  about:
    'One peer sends as fast as it is read, 100 blocks of 1 KiB; the program plays it itself, so that each run is the same. ' +
    'A neighbour has sent one byte. Both are ready in the same wait, the flood first.',

  async play(lesson) {
    const greedy = await flood(lesson, 'greedy');
    const bounded = await flood(lesson, 'bounded');
    return {
      shown: greedy.before > bounded.before && greedy.bytes === bounded.bytes,
      text:
        `A handler that reads until nothing is left made the neighbour wait for ${String(greedy.before)} reads; one with a ` +
        `bound, for ${String(bounded.before)}. Both read the same ${String(greedy.bytes)} bytes: the first in ` +
        `${count(greedy.items, 'call')}, the second in ${String(bounded.items)}, for what it left was reported again in the next ` +
        'turn. Had the peer gone on, the first would never have come to an end.',
      figures: {
        greedyReadsBefore: greedy.before,
        boundedReadsBefore: bounded.before,
        greedyBytes: greedy.bytes,
        boundedBytes: bounded.bytes,
        greedyCalls: greedy.items,
        boundedCalls: bounded.items,
      },
    };
  },
};
