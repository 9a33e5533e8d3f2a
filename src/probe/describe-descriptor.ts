// A descriptor in a few words: `tcp 127.0.0.1:4000 <-> 127.0.0.1:51234 ESTABLISHED rx 0 tx 12`, `eventfd count 0`.

import { isClosedTcp } from './descriptors.js';
import type { DescriptorFacts } from './descriptors.js';
import type { Reading } from './figure.js';
import { isKnown } from './figure.js';
import type { SocketFacts } from './socket-facts.js';

/** What isn't known is left out, or stands as `?` where a figure is expected. */
const text = <T>(reading: Reading<T>, show: (value: T) => string = String): string =>
  isKnown(reading) ? show(reading.value) : '?';

/** One line for people. */
export function describeDescriptor(facts: DescriptorFacts): string {
  switch (facts.kind) {
    case 'socket':
      if (isKnown(facts.socket)) return describeSocket(facts.socket.value);
      return `${text(facts.protocol, (name) => name.toLowerCase())} socket:[${facts.inode}]${isClosedTcp(facts) ? ' not connected' : ''}`;
    case 'pipe': {
      const queued = isKnown(facts.queuedBytes) ? ` holding ${facts.queuedBytes.value}` : '';
      const end = text(facts.end, (one) => (one === 'both' ? 'both ends' : `${one} end`));
      return `pipe:[${facts.inode}] ${end}${queued}`;
    }
    case 'eventfd':
      return `eventfd count ${text(facts.count)}`;
    case 'timerfd':
      return `timerfd ${text(facts.timer, ({ nextMs, intervalMs, expirations }) => {
        const next = nextMs === 0 ? 'not set' : seconds(nextMs);
        const every = intervalMs === 0 ? '' : ` every ${seconds(intervalMs)}`;
        return `${next}${every}${expirations === 0 ? '' : `, expired ${expirations}`}`;
      })}`;
    case 'signalfd':
      return `signalfd ${text(facts.signals, (signals) => signals.join(','))}`;
    case 'inotify':
      return `inotify watches ${text(facts.watches)}`;
    case 'pidfd':
      return `pidfd of ${text(facts.ofPid, (pid) => (pid < 0 ? 'a process that has ended' : `process ${pid}`))}`;
    case 'epoll':
      return `epoll entries ${text(facts.entries)}`;
    case 'file':
      return facts.target;
    case 'unknown':
      return `? (${facts.reason})`;
  }
}

/** With one digit below the second, for people. */
function seconds(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function describeSocket(facts: SocketFacts): string {
  const { protocol, type, family, state } = facts;
  const name = `${protocol}${family === 6 ? '6' : ''}${protocol === 'unix' && type !== 'stream' ? ` ${type}` : ''}`;
  const local = isKnown(facts.local) ? facts.local.value : protocol === 'unix' ? `[${facts.inode}]` : '?';
  if (state === 'LISTEN') {
    const waiting = text(facts.backlog, ({ waiting: n, max }) => `${n}${max === null ? '' : ` of ${max}`}`);
    return `${name} ${local} LISTEN waiting ${waiting}`;
  }
  const other = isKnown(facts.remote)
    ? facts.remote.value
    : isKnown(facts.peerInode)
      ? `[${facts.peerInode.value}]`
      : null;
  const ends = other === null ? local : `${local} <-> ${other}`;
  return `${name} ${ends} ${state} rx ${text(facts.receiveBytes)} tx ${text(facts.sendBytes)}`;
}
