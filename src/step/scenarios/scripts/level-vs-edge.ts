// The script of level-vs-edge: the same bytes, the same handler, two triggers.

import { callsOf, count, runsOf, type Scenario } from '../lesson.js';

export const levelVsEdge: Scenario = {
  title: 'what is reported again, and what is not',
  about:
    'Two sockets hold the same four bytes, and both handlers read a single byte per call. One waits in level mode, the ' +
    'other in edge mode. When are they called again?',

  async play(lesson) {
    const program = await lesson.start();
    const [level, edge] = [program.fd('readLevel'), program.fd('readEdge')];
    const calls = (): string =>
      `readLevel was called ${count(runsOf(program.events, 'readLevel'), 'time')} until now, ` +
      `readEdge ${count(runsOf(program.events, 'readEdge'), 'time')}.`;
    program.say(
      `${count(program.held.left, 'item')} in the first batch: fd ${String(level)} is in level mode, ` +
        `fd ${String(edge)} in edge mode. Each holds four bytes.`,
      { level, edge },
    );
    for (let turn = 2; turn <= 4; turn++) {
      await program.command('Run the turn. Which of the two does the next wait report?', 't');
      program.say(calls());
    }
    const before = runsOf(program.events, 'readEdge');
    await program.command('Run on until one more byte is sent to both.', 'u handler sendOneMore');
    program.say(calls());
    await program.command('Send it. Look at the readinesses after the wait.', 't');
    const again = program.held.next.some(({ fd }) => fd === edge);
    program.say(
      again
        ? 'The new byte has made the edge socket ready anew.'
        : 'The edge socket was not reported, although a new byte has come.',
    );
    const last = await program.command('Run to the end. The last two recv() take what is left of each.', 'c');
    const [levelReads, edgeReads] = [
      callsOf(program.events, 'recv', level),
      callsOf(program.events, 'recv', edge),
    ];
    const levelCalls = runsOf(program.events, 'readLevel');
    const edgeCalls = runsOf(program.events, 'readEdge');
    const leftLevel = Math.max(levelReads.at(-1)?.result ?? 0, 0);
    const leftEdge = Math.max(edgeReads.at(-1)?.result ?? 0, 0);
    program.say(`${calls()} Of fd ${String(edge)}, ${count(leftEdge, 'byte')} had been left unread.`);
    return {
      shown: last.held === null && edgeCalls < levelCalls && leftEdge > 0 && leftLevel === 0,
      text:
        `Level mode called its handler ${count(levelCalls, 'time')}, as long as a byte was left; ${count(leftLevel, 'byte')} ` +
        `remained in the end. Edge mode called the same handler ${count(edgeCalls, 'time')}: ${String(before)} for the first four ` +
        `bytes together, and ${String(edgeCalls - before)} for the one that came later; ${count(leftEdge, 'byte')} remained ` +
        'that nobody was told of any more. In edge mode a handler must read until EAGAIN.',
      figures: { levelCalls, edgeCalls, leftLevelBytes: leftLevel, leftEdgeBytes: leftEdge },
    };
  },
};
