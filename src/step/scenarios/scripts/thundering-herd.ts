// The script of thundering-herd: how many processes wake up for one connection.

import { nativeKernel } from '../../../kernel/native.js';
import { count, runsOf, type Lesson, type Program, type Scenario } from '../lesson.js';

interface Herd {
  connections: number;
  accepted: number;
  inVain: number;
}

async function connections(program: Program, first: string): Promise<Herd> {
  await program.command(first, 'u handler connectOnce');
  for (let number = 1; program.held.next[0].name === 'connectOnce'; number++) {
    const before = tally(program);
    const seen = await program.command(
      `Connection ${String(number)} is made now. Who wakes up before the next?`,
      'u handler connectOnce',
    );
    const { accepted, inVain } = tally(program);
    program.say(
      `${count(accepted - before.accepted + inVain - before.inVain, 'process').replace('processs', 'processes')} woke up; ` +
        `${String(inVain - before.inVain)} of them found nothing to accept.`,
    );
    if (seen.held === null || tally(program).connections >= 3) break;
  }
  const herd = tally(program);
  await program.command('These are enough. Let the program end.', 'c');
  return herd;
}

function tally({ events }: Program): Herd {
  return {
    connections: runsOf(events, 'connectOnce'),
    accepted: runsOf(events, 'wokenAndAccepted'),
    inVain: runsOf(events, 'wokenInVain'),
  };
}

const PLAIN = 'Four processes wait on one listening socket, each with an epoll of its own. Let them begin.';
const EXCLUSIVE = 'The same again, but each has added the socket with EPOLLEXCLUSIVE.';

function wakes({ accepted, inVain }: Herd): number {
  return accepted + inVain;
}

async function run(lesson: Lesson, mode: 'plain' | 'exclusive', first: string): Promise<Herd> {
  return connections(await lesson.start(mode), first);
}

export const thunderingHerd: Scenario = {
  title: 'one connection, and who wakes up for it',
  about:
    'Four processes wait for connections on the same listening socket, which all have inherited. Connections come one at ' +
    'a time, and each can be accepted once. So that whoever is woken can be counted, each takes 40 ms before it accepts.',

  async play(lesson) {
    if (!nativeKernel.pollerKinds.includes('epoll')) {
      return {
        shown: false,
        text: 'This system has no epoll, and so no EPOLLEXCLUSIVE: nothing was run.',
        figures: {},
      };
    }
    const plain = await run(lesson, 'plain', PLAIN);
    const exclusive = await run(lesson, 'exclusive', EXCLUSIVE);
    return {
      shown:
        wakes(plain) > wakes(exclusive) && plain.inVain > 0 && plain.accepted > 0 && exclusive.accepted > 0,
      text:
        `Without the flag, ${count(plain.connections, 'connection')} woke processes ${count(wakes(plain), 'time')}; ` +
        `${String(plain.inVain)} of these were in vain. With EPOLLEXCLUSIVE, ${count(exclusive.connections, 'connection')} woke ` +
        `processes ${count(wakes(exclusive), 'time')}, ${String(exclusive.inVain)} in vain. The flag makes the kernel wake at ` +
        'least one waiter instead of all of them. It helps only where several threads or processes sleep in the kernel.',
      figures: {
        connections: plain.connections,
        wakes: wakes(plain),
        wakesInVain: plain.inVain,
        exclusiveConnections: exclusive.connections,
        exclusiveWakes: wakes(exclusive),
        exclusiveWakesInVain: exclusive.inVain,
      },
    };
  },
};
