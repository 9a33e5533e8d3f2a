// The script of partial-write: what becomes of the bytes that send() does not take.

import { EAGAIN } from '../../../kernel/errno.js';
import { WRITABLE, describeReadiness } from '../../../poller/poller.js';
import { bytesOf, callsOf, count, type Scenario } from '../lesson.js';

export const partialWrite: Scenario = {
  title: 'what the kernel does not take',
  about:
    'A server writes 128 KiB to a client that does not read yet. The buffers of the kernel are smaller than that. Where ' +
    'do the other bytes wait, and who sends them?',

  async play(lesson) {
    const program = await lesson.start();
    const accepted = await program.command(
      'A connection waits to be accepted. Look at sendBytes: asked, and taken.',
      's',
    );
    const server = accepted.events.find((event) => event.type === 'call' && event.name === 'sendBytes');
    if (server?.type !== 'call') throw new Error('the server has not sent anything');
    const { fd, b: asked, result: taken } = server;
    const interest = program.held.registry.find((one) => one.fd === fd)?.interest ?? 0;
    program.say(
      `Of ${String(asked)} bytes, the kernel took ${String(Math.max(taken, 0))}. ${String(asked - Math.max(taken, 0))} wait in ` +
        `the connection's queue. It is registered for ${describeReadiness(interest)} now.`,
      { asked, taken },
    );
    await program.command(
      'The client begins to read. What does that do to the other end?',
      'u ready WRITABLE',
    );
    program.say(
      `Fd ${String(fd)} ${program.held.next[0].fd === fd ? 'has become writable' : 'is not what has become writable'}: ` +
        'the kernel has room again.',
    );
    const first = await program.command('Run that item. Look at the next sendBytes of the queue.', 's');
    const sends = callsOf(first.events, 'sendBytes', fd);
    program.say(`It sent ${String(bytesOf(sends))} bytes in ${count(sends.length, 'call')}.`);
    const end = await program.command('Let it go on to the end.', 'c');
    const all = callsOf(program.events, 'sendBytes', fd);
    const receipts = program.events.filter(
      (event) => event.type === 'call' && event.name === 'recv' && event.fd !== fd && event.result > 0,
    );
    const sent = bytesOf(all);
    const received = bytesOf(receipts as { result: number }[]);
    const partial = all.filter(({ result, b }) => result === EAGAIN || result < b).length;
    const complete = program.eventsLost === 0 ? '' : ' at least';
    program.say(`All in all${complete} ${String(sent)} bytes were sent and ${String(received)} received.`);
    return {
      shown:
        end.held === null &&
        taken < asked &&
        sent === asked &&
        received === asked &&
        (interest & WRITABLE) !== 0,
      text:
        `Of a write of ${String(asked)} bytes the kernel took ${String(Math.max(taken, 0))} at once. The rest waited in the ` +
        `connection's own queue and left whenever the socket became writable: ${count(all.length, 'send')} in all${complete}, ` +
        `of which ${String(partial)} ended short or with EAGAIN. The client received ${String(received)} bytes` +
        (received === asked ? ': nothing was lost.' : '.'),
      figures: {
        askedBytes: asked,
        takenBytes: taken,
        sends: all.length,
        partialSends: partial,
        sentBytes: sent,
        receivedBytes: received,
      },
    };
  },
};
