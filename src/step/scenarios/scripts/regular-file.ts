// The script of regular-file: what cannot be waited for, and what to do instead.

import { bytesOf, callsOf, count, type Scenario } from '../lesson.js';

export const regularFile: Scenario = {
  title: 'a file is never "not ready yet"',
  about:
    'A program asks its reactor to tell it when a regular file can be read, as it does with sockets. Then it does what ' +
    'helps: a thread reads the file, and a socket becomes readable when that is done.',

  async play(lesson) {
    const program = await lesson.start();
    const { registrySize: before, poller } = program.held;
    const first = await program.command(
      'The first task asks for readiness of a regular file. What does it get?',
      's',
    );
    const refusal = first.events.find(({ type }) => type === 'error');
    const message = refusal?.type === 'error' ? refusal.message : '';
    program.say(
      message === ''
        ? 'The file was not refused here.'
        : `Refused by ${poller}. ${count(program.held.registrySize - before, 'registration')} more than before.`,
    );
    await program.command('The second one asks the same for a socket.', 's');
    const added = program.held.registry.find(({ name }) => name === 'fileWasRead');
    program.say(
      added === undefined ? 'The socket was refused, too.' : `Fd ${String(added.fd)} is registered.`,
    );
    await program.command(
      'The third lets a thread of Node read the file. Run on until the socket says so.',
      'u handler fileWasRead',
    );
    const sent = program.events.filter((event) => event.type === 'call' && event.name === 'sendBytes');
    program.say(
      `A thread has read ${count(bytesOf(sent as { result: number }[]), 'byte')} meanwhile, and the reactor went on waiting.`,
    );
    await program.command('Read it from the socket, and end.', 'c');
    const received = bytesOf(callsOf(program.events, 'recv', added?.fd ?? -1));
    return {
      shown: message.includes('cannot be waited on') && added !== undefined && received > 0,
      text:
        message === ''
          ? `${poller} did not refuse the file.`
          : `The kernel refused the file: ${message}. A socket was taken at once, and brought ${count(received, 'byte')} of ` +
            'the file that a thread had read meanwhile.',
      figures: { refused: message !== '', socketTaken: added !== undefined, bytes: received },
    };
  },
};
