// What happens on connection number N: a pure function of seed and number, so that both ends know it and a run repeats.

import { Random } from '../../dist/load/random.js';

/** Numbers from here on are connections that the server opens. */
export const SERVER_OPENED = 0x80000000;
/** Bytes that one frame carries at most. */
export const PAYLOAD_BYTES_MAX = 32 * 1024;
/** Pauses of one end of a connection: else the slow ones would soon hold all places. */
export const PAUSES_MAX = 10;

/** Mixes two 32-bit numbers into one whose bits all depend on both. */
export function mix(a, b) {
  let mixed = Math.imul(a ^ (a >>> 16), 0x45d9f3b) ^ Math.imul(b ^ (b >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/**
 * Kinds of conversation. `echo`: the server answers each frame with one. `serverFlood`, `peerFlood`: one side sends as
 * fast as it can. `duplex`: both do.
 */
const KINDS = [
  ['echo', 0.82],
  ['serverFlood', 0.06],
  ['peerFlood', 0.04],
  ['duplex', 0.08],
];

/** How often things happen, as probabilities. */
const ABORT = 0.3;
const SLOW_PEER = 0.15;
const PAUSING_SERVER = 0.15;
const SMALL_BUFFER = 0.4;
const KILLER = 0.3;
const DUPLICATE = 0.06;

/**
 * @typedef {object} Plan
 * @property {number} number
 * @property {'net' | 'raw'} layer what serves it: a `Connection` of listen() or connect(), or a watched descriptor
 * @property {'echo' | 'serverFlood' | 'peerFlood' | 'duplex'} kind
 * @property {number} serverFrames frames that the server sends; the hello of whoever opens is not counted
 * @property {number} peerFrames
 * @property {number} window echo: frames that the peer sends ahead of the answers
 * @property {{ by: 'server' | 'peer', how: 'reset' | 'close', atFrame: number } | null} abort an end without notice
 * @property {{ every: number, ms: number } | null} slowPeer it pauses after so many chunks, for so long
 * @property {{ every: number, ms: number } | null} pausingServer
 * @property {number} sendBufferBytes the server's SO_SNDBUF; 0: the system's
 * @property {boolean} greedy the server writes until its queue is full, not only until something is queued
 * @property {number} killsAt at this frame the server closes a neighbour that is ready in the same batch; -1: never
 * @property {boolean} killsByReset
 * @property {{ ms: number, watched: boolean } | null} duplicate a second descriptor of the socket stays open for so long
 */

/** @param {number} seed @param {number} number @returns {Plan} */
export function planOf(seed, number) {
  const random = new Random(mix(seed, number));
  const upTo = (max) => Math.floor(random.next() * (max + 1));
  const chance = (probability) => random.next() < probability;
  const layer = chance(0.55) ? 'net' : 'raw';
  let draw = random.next();
  const kind = (KINDS.find(([, share]) => (draw -= share) < 0) ?? KINDS[0])[0];
  const many = {
    echo: 10 + upTo(700),
    serverFlood: 10 + upTo(30),
    peerFlood: 10 + upTo(30),
    duplex: 5 + upTo(60),
  };
  const few = upTo(4);
  // More than an edge-triggered connection reads in one go: 16 times 64 KiB.
  if (chance(0.1)) many.peerFlood += 120;
  const serverFrames = kind === 'peerFlood' ? few : many[kind];
  const peerFrames = kind === 'serverFlood' ? few : many[kind];
  const atFrame = chance(0.15) ? 0 : upTo(Math.max(serverFrames, peerFrames) - 1);
  const abort = { by: chance(0.5) ? 'server' : 'peer', how: chance(0.6) ? 'reset' : 'close', atFrame };
  const slowPeer = { every: 1 + upTo(8), ms: 1 + upTo(20) };
  const pausingServer = { every: 1 + upTo(8), ms: 1 + upTo(20) };
  const duplicate = { ms: 1 + upTo(60), watched: chance(0.5) };
  const killsAt = upTo(40);
  return {
    number,
    layer,
    kind,
    serverFrames,
    peerFrames,
    window: 1 + upTo(3),
    abort: chance(ABORT) ? abort : null,
    slowPeer: chance(SLOW_PEER) ? slowPeer : null,
    pausingServer: chance(PAUSING_SERVER) ? pausingServer : null,
    sendBufferBytes: chance(SMALL_BUFFER) ? 4096 : 0,
    greedy: chance(0.5),
    killsAt: chance(KILLER) ? killsAt : -1,
    killsByReset: chance(0.5),
    duplicate: chance(DUPLICATE) ? duplicate : null,
  };
}

/** The payload's length of one frame: small ones in talk, large ones in floods. */
export function payloadBytes(plan, fromServer, sequence) {
  const draw = mix(plan.number ^ (fromServer ? 0x5eed : 0), sequence);
  const flooding = plan.kind === (fromServer ? 'serverFlood' : 'peerFlood');
  if (flooding) return 1024 + (draw % (PAYLOAD_BYTES_MAX - 1023));
  if (plan.kind === 'duplex') return draw % 2048;
  return draw % 160;
}
