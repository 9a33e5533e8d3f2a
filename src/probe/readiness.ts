// Whether a descriptor is ready now, derived from what the kernel shows of it from outside; unknown where that proves nothing.

import { isClosedTcp } from './descriptors.js';
import type { DescriptorFacts } from './descriptors.js';
import { isKnown, valueOf } from './figure.js';
import { EPOLL_FLAGS, isDisarmed } from './interest.js';
import type { InterestEntry } from './interest.js';
import { READING_ENDED, WRITING_ENDED } from './socket-facts.js';
import type { SocketFacts } from './socket-facts.js';

export type Answer = 'yes' | 'no' | 'unknown';

/** One answer for each bit of a readiness, by the meaning which it has in poll(2). */
export interface ReadinessAnswers {
  readonly readable: Answer;
  readonly writable: Answer;
  readonly priority: Answer;
  readonly readClosed: Answer;
  readonly hangup: Answer;
  readonly error: Answer;
}

export interface DerivedReadiness extends ReadinessAnswers {
  /** Whether a level-triggered wait with this interest would report it. Null: no interest was given. */
  readonly levelReports: Answer | null;
  /** What has to be known beside the answers, in sentences. */
  readonly remarks: readonly string[];
}

/** What the answers take for granted, since no source shows the contrary. */
export const READINESS_ASSUMPTIONS: readonly string[] = [
  'a socket belongs to the network namespace in which its process lives',
  'SO_RCVLOWAT of the socket is 1, and TCP_NOTSENT_LOWAT is not set (neither is shown from outside)',
  'no error waits on a connected socket that has asked for more of them (IP_RECVERR, MSG_ZEROCOPY, time stamps)',
];

const UNKNOWN: ReadinessAnswers = {
  readable: 'unknown',
  writable: 'unknown',
  priority: 'unknown',
  readClosed: 'unknown',
  hangup: 'unknown',
  error: 'unknown',
};
const NOTHING: ReadinessAnswers = {
  readable: 'no',
  writable: 'no',
  priority: 'no',
  readClosed: 'no',
  hangup: 'no',
  error: 'no',
};

const yesIf = (condition: boolean): Answer => (condition ? 'yes' : 'no');

/** Yes if one is; else unknown if one is; else no. */
function any(...answers: readonly Answer[]): Answer {
  if (answers.includes('yes')) return 'yes';
  return answers.includes('unknown') ? 'unknown' : 'no';
}
/** No if one is; else unknown if one is; else yes. */
function all(...answers: readonly Answer[]): Answer {
  if (answers.includes('no')) return 'no';
  return answers.includes('unknown') ? 'unknown' : 'yes';
}

/**
 * `events`: the bits of the entry in an epoll set, if there is one. What was read is a moment old; the answers are for
 * that moment. {@link READINESS_ASSUMPTIONS} hold.
 */
export function derivedReadiness(facts: DescriptorFacts, events?: number): DerivedReadiness {
  const remarks: string[] = [];
  const answers = answersFor(facts, remarks);
  return {
    ...answers,
    levelReports: events === undefined ? null : reports(answers, events, remarks),
    remarks,
  };
}

/** The same for an entry of an epoll set. `facts`: of its fd, if the process has it open. A phantom's file is out of sight. */
export function entryReadiness(entry: InterestEntry, facts: DescriptorFacts | undefined): DerivedReadiness {
  if (facts !== undefined && isKnown(entry.target) && entry.target.value === 'same')
    return derivedReadiness(facts, entry.events);
  const reason = isKnown(entry.target)
    ? `fd ${entry.fd} is ${entry.target.value === 'closed' ? 'closed' : 'another file'} now: the set holds a file that this number no longer names`
    : `whether fd ${entry.fd} is still the file in the set is not known: ${entry.target.unavailable}`;
  const remarks = [reason];
  return { ...UNKNOWN, levelReports: reports(UNKNOWN, entry.events, remarks), remarks };
}

function reports(answers: ReadinessAnswers, events: number, remarks: string[]): Answer {
  if (events & EPOLL_FLAGS.EPOLLET)
    remarks.push(
      'edge-triggered: the kernel reports it when it becomes so; whether such an edge is pending cannot be seen from outside',
    );
  if (isDisarmed(events)) {
    remarks.push('oneshot, and has fired: nothing is reported until it is modified');
    return 'no';
  }
  const asked: readonly (readonly [number, Answer])[] = [
    [EPOLL_FLAGS.EPOLLIN | EPOLL_FLAGS.EPOLLRDNORM, answers.readable],
    [EPOLL_FLAGS.EPOLLOUT | EPOLL_FLAGS.EPOLLWRNORM, answers.writable],
    [EPOLL_FLAGS.EPOLLPRI, answers.priority],
    [EPOLL_FLAGS.EPOLLRDHUP, answers.readClosed],
    [EPOLL_FLAGS.EPOLLHUP, answers.hangup],
    [EPOLL_FLAGS.EPOLLERR, answers.error],
  ];
  return any(...asked.filter(([bits]) => (events & bits) !== 0).map(([, answer]) => answer));
}

function answersFor(facts: DescriptorFacts, remarks: string[]): ReadinessAnswers {
  switch (facts.kind) {
    case 'socket': {
      const socket = valueOf(facts.socket);
      if (socket === null) return isClosedTcp(facts) ? closed(remarks) : UNKNOWN;
      if (socket.protocol === 'tcp') return tcp(socket, remarks);
      return socket.protocol === 'udp' ? udp(socket, remarks) : unix(socket, remarks);
    }
    case 'eventfd': {
      const count = valueOf(facts.count);
      if (count === null) return UNKNOWN;
      // eventfd(2): it takes one more until 2^64 - 2; the value above is an overflow, and an error.
      const max = 0xffff_ffff_ffff_ffffn;
      return {
        ...NOTHING,
        readable: yesIf(count > 0n),
        writable: yesIf(count < max - 1n),
        error: yesIf(count === max),
      };
    }
    case 'timerfd': {
      const timer = valueOf(facts.timer);
      return timer === null ? UNKNOWN : { ...NOTHING, readable: yesIf(timer.expirations > 0) };
    }
    case 'pipe': {
      const end = valueOf(facts.end);
      const queued = valueOf(facts.queuedBytes);
      if (end === 'both' || end === null) return UNKNOWN;
      remarks.push('whether the other end of a pipe is still open cannot be seen from here');
      if (end === 'read') {
        return { ...NOTHING, readable: queued === null ? 'unknown' : yesIf(queued > 0), hangup: 'unknown' };
      }
      return { ...NOTHING, writable: queued === 0 ? 'yes' : 'unknown', error: 'unknown' };
    }
    case 'signalfd':
      remarks.push('a signalfd answers each thread by its own pending signals');
      return { ...NOTHING, readable: 'unknown' };
    case 'inotify':
      remarks.push('no file shows what an inotify holds');
      return { ...NOTHING, readable: 'unknown' };
    case 'pidfd':
      return { ...UNKNOWN, readable: valueOf(facts.ofPid) === -1 ? 'yes' : 'unknown', writable: 'no' };
    case 'epoll':
      return { ...NOTHING, readable: valueOf(facts.entries) === 0 ? 'no' : 'unknown' };
    case 'file':
    case 'unknown':
      return UNKNOWN;
  }
}

/** Whether each half has ended: by the kernel's own bits, or as far as TCP's state proves it. */
function halves({ shutdown, protocol, state }: SocketFacts, remarks: string[]): readonly [Answer, Answer] {
  if (isKnown(shutdown))
    return [yesIf((shutdown.value & READING_ENDED) !== 0), yesIf((shutdown.value & WRITING_ENDED) !== 0)];
  if (protocol !== 'tcp') return ['unknown', 'unknown'];
  remarks.push('whether the process has ended its own reading half (SHUT_RD) is not in this source');
  switch (state) {
    case 'CLOSE_WAIT':
      return ['yes', 'no'];
    case 'LAST_ACK':
    case 'CLOSING':
      return ['yes', 'yes'];
    case 'FIN_WAIT1':
    case 'FIN_WAIT2':
      return ['unknown', 'yes'];
    case 'ESTABLISHED':
      return ['unknown', 'no'];
    default:
      return ['unknown', 'unknown'];
  }
}

const hasMore = (bytes: number | null): Answer => (bytes === null ? 'unknown' : yesIf(bytes > 0));

/** net/ipv4/tcp.c, tcp_poll(). */
function tcp(socket: SocketFacts, remarks: string[]): ReadinessAnswers {
  if (socket.state === 'LISTEN') {
    const backlog = valueOf(socket.backlog);
    return { ...NOTHING, readable: backlog === null ? 'unknown' : yesIf(backlog.waiting > 0) };
  }
  // Bound, and not connected.
  if (socket.state === 'CLOSE' || socket.state === 'BOUND_INACTIVE') return closed(remarks);
  const [readClosed, writeClosed] = halves(socket, remarks);
  const hangup = all(readClosed, writeClosed);
  // Until it is connected only the end is reported.
  if (socket.state === 'SYN_SENT') return { ...NOTHING, readable: readClosed, readClosed, hangup };
  if (socket.state === 'SYN_RECV') return UNKNOWN;
  return {
    readable: any(readClosed, hasMore(valueOf(socket.receiveBytes))),
    writable: any(writeClosed, tcpHasRoom(socket, remarks)),
    // Nothing outside the process shows urgent data.
    priority: 'unknown',
    readClosed,
    hangup,
    error: 'no',
  };
}

/** include/net/sock.h, __sk_stream_is_writeable(): a third of the queue must be free, counted with all overhead. */
function tcpHasRoom(socket: SocketFacts, remarks: string[]): Answer {
  const memory = valueOf(socket.memory);
  if (memory === null) {
    // All of it acknowledged: the queue is empty, whatever its limit.
    if (valueOf(socket.sendBytes) === 0) return 'yes';
    remarks.push("the limit of the socket's send queue is not in this source");
    return 'unknown';
  }
  const { sendBytes, sendMaxBytes } = memory;
  return yesIf(sendBytes < sendMaxBytes && sendMaxBytes - sendBytes >= sendBytes >> 1);
}

/** TCP without a connection: never had one, or it was reset, or has ended in both directions. */
function closed(remarks: string[]): ReadinessAnswers {
  remarks.push('not connected: whether it never was, or was reset, or has ended is not to be seen');
  return {
    readable: 'unknown',
    writable: 'yes',
    priority: 'unknown',
    readClosed: 'unknown',
    hangup: 'yes',
    error: 'unknown',
  };
}

/** net/ipv4/datagram.c by way of udp_poll(): the queues are counted in memory, so an empty datagram counts too. */
function udp(socket: SocketFacts, remarks: string[]): ReadinessAnswers {
  const [readClosed, writeClosed] = halves(socket, remarks);
  const memory = valueOf(socket.memory);
  return {
    readable: any(readClosed, hasMore(valueOf(socket.receiveBytes))),
    writable: memory === null ? 'unknown' : yesIf(memory.sendingBytes < memory.sendMaxBytes >> 1),
    priority: 'unknown',
    readClosed,
    hangup: all(readClosed, writeClosed),
    // An ICMP error of a connected socket waits unseen.
    error: 'unknown',
  };
}

/** net/unix/af_unix.c, unix_poll(). */
function unix(socket: SocketFacts, remarks: string[]): ReadinessAnswers {
  if (socket.state === 'LISTEN') {
    const backlog = valueOf(socket.backlog);
    return { ...NOTHING, readable: backlog === null ? 'unknown' : yesIf(backlog.waiting > 0) };
  }
  const [readClosed, writeClosed] = halves(socket, remarks);
  const ended = all(readClosed, writeClosed);
  const queued = hasMore(valueOf(socket.receiveBytes));
  const memory = valueOf(socket.memory);
  // The counter that is compared starts at 1, and is shown without it.
  const room = memory === null ? 'unknown' : yesIf((memory.sendingBytes + 1) * 4 <= memory.sendMaxBytes);
  if (ended === 'yes') remarks.push('whether the other end left data unread (ECONNRESET) is not to be seen');
  return {
    // An empty datagram is in the queue and adds no byte.
    readable: any(readClosed, queued === 'no' && socket.type !== 'stream' ? 'unknown' : queued),
    // A datagram also needs room at the receiver's.
    writable: socket.type === 'datagram' && room === 'yes' ? 'unknown' : room,
    priority: 'unknown',
    readClosed,
    hangup: any(ended, yesIf(socket.type !== 'datagram' && socket.state === 'CLOSE')),
    error: ended === 'no' && socket.type !== 'datagram' ? 'no' : 'unknown',
  };
}
