// The script of stale-event: a readiness that was true when it was collected, and is not any more.

import { callsOf, count, runsOf, type Scenario } from '../lesson.js';

export const staleEvent: Scenario = {
  title: 'a readiness whose socket has gone',
  about:
    'Two sockets are reported by one wait. The handler of the first closes the second, and the next socket that is opened ' +
    'gets the same number. What becomes of the readiness that is still in the batch?',

  async play(lesson) {
    const program = await lesson.start();
    const [closer, doomed] = [program.fd('closeTheOther'), program.fd('mustNotRun')];
    const before = program.held.registry.find(({ fd }) => fd === doomed);
    if (program.held.next[0].fd !== closer) {
      await program.command(
        'The kernel has reported them the other way round. Put the closer first.',
        'move 1 0',
      );
    }
    await program.command(
      `The batch has both, fd ${String(closer)} and fd ${String(doomed)}. Run the first: it closes the second.`,
      's',
    );
    const after = program.held.registry.find(({ name }) => name === 'newcomer');
    const { next } = program.held;
    const stale = next[0].stale;
    const reused = after?.fd === doomed;
    program.say(
      `The next item is ${stale ? 'stale' : 'not stale'}. The new socket is fd ${String(after?.fd)}` +
        `${reused ? ', the same number as before' : ''}: slot ${String(before?.slot)} generation ${String(before?.generation)} ` +
        `has gone, slot ${String(after?.slot)} generation ${String(after?.generation)} is there.`,
    );
    await program.command('Run the item. Whom does it reach?', 's');
    const droppings = program.events.filter(({ type }) => type === 'stale').length;
    const wrong = runsOf(program.events, 'mustNotRun') + runsOf(program.events, 'newcomer');
    program.say(
      `${count(droppings, 'readiness')} dropped; ${count(wrong, 'handler')} called by it.`.replace(
        'readinesss',
        'readinesses',
      ),
    );
    await program.command('The newcomer gets a byte of its own. Run to the end.', 'c');
    const own = callsOf(program.events, 'recv', after?.fd ?? -1).filter(({ result }) => result > 0).length;
    const calls = runsOf(program.events, 'newcomer');
    program.say(`The newcomer was called ${count(calls, 'time')}.`);
    return {
      shown: stale && droppings === 1 && wrong === 0 && calls === 1 && own === 1,
      text:
        `The readiness of fd ${String(doomed)} was in the batch when its socket was closed. ` +
        `${reused ? 'The number was in use again at once. ' : ''}A readiness carries slot ${String(before?.slot)} and generation ` +
        `${String(before?.generation)}, not the number of a descriptor, and the new registration has generation ` +
        `${String(after?.generation)} of slot ${String(after?.slot)}: so ${String(droppings)} was dropped and reached ` +
        `${String(wrong)} handlers. The new socket's handler ran ${count(calls, 'time')}, for its own byte.`,
      figures: {
        fd: doomed,
        newFd: after?.fd ?? -1,
        dropped: droppings,
        misdelivered: wrong,
        newcomerCalls: calls,
      },
    };
  },
};
