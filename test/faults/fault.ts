// One fault: which call fails, how, and when. Armed on a scripted kernel, which it leaves as the real one would be after it.

import { constants } from 'node:os';
import { HANGUP, READABLE, WRITABLE } from '../../src/poller/poller.js';
import type { KernelPoller } from '../../src/poller/poller.js';
import { ScriptedPoller } from '../../src/kernel/scripted-poller.js';
import { ScriptedKernel } from '../../src/testing.js';
import type { ScriptableCall } from '../../src/testing.js';
import { SHORT, TABLE } from './table.js';

const E = constants.errno as Record<string, number | undefined>;
/** Numbers of Linux that Node does not name. */
const MORE: Record<string, number> = {
  ENONET: 64,
  ESOCKTNOSUPPORT: 94,
  EHOSTDOWN: 112,
};

/** -errno of a name. */
export function errnoOf(name: string): number {
  const errno = E[name] ?? MORE[name];
  if (errno === undefined) throw new Error(`no number for ${name}`);
  return -errno;
}

export interface Fault {
  readonly call: ScriptableCall;
  /** The error's name, or how a transfer is cut short. */
  readonly error: string;
  /** The only call that it meets, counted from 1; 'every' from the first on. */
  readonly when: number | 'every';
}

export const nameOf = ({ call, error, when }: Fault): string => `${call} ${error} ${String(when)}`;

export const isShort = ({ error }: Fault): boolean => (SHORT as readonly string[]).includes(error);

/** All faults of a workload that makes `counts` calls of each name: first, nth, every. */
export function faultsOf(counts: ReadonlyMap<string, number>, random: (below: number) => number): Fault[] {
  const all: Fault[] = [];
  for (const [call, { errors, cutShort }] of Object.entries(TABLE) as [
    ScriptableCall,
    (typeof TABLE)['recv'],
  ][]) {
    const count = counts.get(call) ?? 0;
    if (count === 0) continue;
    for (const error of [...errors, ...(cutShort === true ? SHORT : [])]) {
      all.push({ call, error, when: 1 }, { call, error, when: 'every' });
      if (count > 1) all.push({ call, error, when: 2 + random(count - 1) });
    }
  }
  return all;
}

type Method = (...args: unknown[]) => number;

/** How many milliseconds after an EAGAIN that was not so there is something to do again, and the poller says so. */
const AGAIN_MS = 1;
const RECEIVES: readonly string[] = ['recv', 'read', 'receiveDatagrams', 'accept'];

/**
 * Makes `fault` happen on `kernel`. `hit` hears the first argument (of most calls, the descriptor). What else is so after the
 * error: close(2) has closed all the same, what epoll_ctl(2) does not find is not there, and after EAGAIN readiness comes a
 * little later, edge or not.
 */
export function arm(
  kernel: ScriptedKernel,
  poller: () => KernelPoller,
  fault: Fault,
  hit: (fd: unknown) => void,
): void {
  const { call, error, when } = fault;
  const real = Reflect.get(ScriptedKernel.prototype, call) as Method | undefined;
  const cut = isShort(fault);
  let made = 0;
  // After a send's EPIPE or ECONNRESET the connection is gone: what came before can be read, then the end.
  const gone = new Set<unknown>();
  if ((error === 'EPIPE' || error === 'ECONNRESET') && /^send(Bytes|Pieces)?$/.test(call)) {
    kernel.onCall(({ name, args }) => void (name === 'close' && gone.delete(args[0])));
    const { recv } = ScriptedKernel.prototype;
    const read = (args: readonly unknown[]): number | undefined => {
      kernel.script('recv', null, read);
      if (!gone.has(args[0])) return undefined;
      const count = recv.apply(kernel, args as Parameters<typeof recv>);
      return count === errnoOf('EAGAIN') ? 0 : count;
    };
    kernel.script('recv', null, read);
    // And nothing can be sent any more, in whichever way.
    for (const name of ['send', 'sendBytes', 'sendPieces'] as const) {
      if (name === call) continue;
      const send = (args: readonly unknown[]): number | undefined => {
        kernel.script(name, null, send);
        return gone.has(args[0]) ? errnoOf('EPIPE') : undefined;
      };
      kernel.script(name, null, send);
    }
  }
  if (cut) {
    kernel.onCall(() => {
      kernel.shortReads(Infinity);
      kernel.shortWrites(Infinity);
    });
  }
  const answer = (args: readonly unknown[]): number | undefined => {
    made++;
    kernel.script(call, null, answer);
    if (when !== 'every' && made !== when) return gone.has(args[0]) ? errnoOf('EPIPE') : undefined;
    // Nothing to receive, though it was reported: not for ever, but each time once.
    if (error === 'EAGAIN' && when === 'every' && RECEIVES.includes(call) && made % 2 === 0) return undefined;
    hit(args[0]);
    if (cut) return shorten(kernel, call, error === 'one', args);
    const fd = args[0] as number;
    if (call === 'close') real?.apply(kernel, [...args]);
    if (/^send(Bytes|Pieces)?$/.test(call) && (error === 'EPIPE' || error === 'ECONNRESET')) {
      gone.add(fd);
      kernel.setReady(fd, READABLE | HANGUP);
    }
    // These two are about one connection, which accept(2) has taken from the queue.
    if (call === 'accept' && (error === 'ECONNABORTED' || error === 'EPERM')) {
      const lost = real?.apply(kernel, [...args]) ?? -1;
      if (lost < 0) return lost;
      ScriptedKernel.prototype.setOption.call(kernel, lost, 'lingerS', 0);
      ScriptedKernel.prototype.close.call(kernel, lost);
    }
    if ((call === 'modify' || call === 'remove') && (error === 'ENOENT' || error === 'EBADF')) {
      ScriptedPoller.prototype.remove.call(poller(), fd);
    }
    if (error === 'EAGAIN' && typeof fd === 'number' && call !== 'adopt' && call !== 'connect') {
      kernel.clock.after(AGAIN_MS, () => kernel.setReady(fd, RECEIVES.includes(call) ? READABLE : WRITABLE));
    }
    return errnoOf(error);
  };
  kernel.script(call, null, answer);
}

/** Lets less through. undefined: the simulation does it, within the bound set here. */
function shorten(
  kernel: ScriptedKernel,
  call: ScriptableCall,
  one: boolean,
  args: readonly unknown[],
): number | undefined {
  const part = (whole: number): number => (one ? 1 : Math.max(1, whole >> 1));
  if (call === 'receiveDatagrams') {
    const [fd, count, bytesMax] = args as [number, number, number];
    return ScriptedKernel.prototype.receiveDatagrams.call(kernel, fd, part(count), bytesMax);
  }
  if (call === 'sendDatagrams') {
    const [fd, bytes, table, first, count] = args as Parameters<ScriptedKernel['sendDatagrams']>;
    return ScriptedKernel.prototype.sendDatagrams.call(kernel, fd, bytes, table, first, part(count));
  }
  if (call === 'recv' || call === 'read') kernel.shortReads(one ? 1 : 50);
  else if (call === 'sendPieces' || call === 'writePieces') {
    const [, pieces, count, start, end] = args as Parameters<ScriptedKernel['sendPieces']>;
    const whole = pieces.slice(0, count - 1).reduce((sum, { length }) => sum + length, end) - start;
    kernel.shortWrites(part(whole));
  } else kernel.shortWrites(part(args.at(-1) as number));
  return undefined;
}
