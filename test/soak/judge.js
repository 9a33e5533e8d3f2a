// Holds what both ends say of each connection against each other: nothing may be lost, and each end must be told once.

/** Faults that are told in words; the rest are counted. */
const TOLD_MAX = 8;

/** @typedef {{ number: number, state: string, code: string, sent: number, received: number, sentFrames: number, receivedFrames: number, fault: string | null }} Account */

/** @returns {Account} */
function account([number, state, code, sent, received, sentFrames, receivedFrames, fault]) {
  return { number, state, code, sent, received, sentFrames, receivedFrames, fault };
}

/**
 * What is wrong with one connection, or null. A connection that neither end cut off must have ended well at both, with
 * every byte of each at the other. One that was cut off may have lost its tail, but can have nothing that was not sent.
 * @param {Account} server @param {Account} peer
 */
export function judge(server, peer) {
  const fault = server.fault ?? peer.fault;
  if (fault !== null) return fault;
  if (server.received > peer.sent || peer.received > server.sent) return 'more arrived than was sent';
  if (peer.state === 'stuck') return 'nothing moved any more';
  if (server.state === 'aborted' || peer.state === 'aborted') return null;
  if (server.state !== 'done' || peer.state !== 'done') return 'nobody cut it off, and it did not end well';
  if (server.received !== peer.sent || peer.received !== server.sent) return 'bytes are missing';
  return null;
}

/** Takes the accounts of both ends as connections close, and pairs them. */
export class Judge {
  /** Connections of which both ends have told. */
  judged = 0;
  /** Those among them that were cut off by one end. */
  aborted = 0;
  /** Bytes that arrived, both ways. */
  bytes = 0;
  lost = 0;
  /** @type {string[]} */
  told = [];
  /** @type {Map<number, Account>} */
  #server = new Map();
  /** @type {Map<number, Account>} */
  #peer = new Map();

  take(side, rows) {
    const [own, other] = side === 'server' ? [this.#server, this.#peer] : [this.#peer, this.#server];
    for (const row of rows) {
      const mine = account(row);
      if (own.has(mine.number)) this.#lose(`connection ${mine.number}: closed twice at the ${side}`);
      const theirs = other.get(mine.number);
      if (theirs === undefined) {
        own.set(mine.number, mine);
        continue;
      }
      other.delete(mine.number);
      const [server, peer] = side === 'server' ? [mine, theirs] : [theirs, mine];
      this.judged++;
      this.bytes += server.received + peer.received;
      if (server.state === 'aborted' || peer.state === 'aborted') this.aborted++;
      const wrong = judge(server, peer);
      if (wrong === null) continue;
      this.#lose(`connection ${mine.number}: ${wrong}; server ${describe(server)}; peer ${describe(peer)}`);
    }
  }

  /**
   * When all have closed: a connection that only one end knows was cut off before the other heard its number, or was
   * turned away for want of a descriptor. Each of these is counted at the other end.
   * @param {{ anonymous: number, refused: number }} server @param {{ anonymous: number }} peer
   */
  finish(server, peer) {
    for (const [side, accounts, known] of [
      ['server', this.#server, peer.anonymous],
      ['peer', this.#peer, server.anonymous + server.refused],
    ]) {
      for (const one of accounts.values()) {
        // A refused one may have sent its hello into the socket that was closed.
        const excused = one.state === 'aborted' || (side === 'peer' && one.received === 0);
        if (!excused) this.#lose(`connection ${one.number}: only the ${side} knows of it: ${describe(one)}`);
      }
      if (accounts.size !== known)
        this.#lose(
          `${accounts.size} connections are known to the ${side} alone; the other end counts ${known}`,
        );
    }
  }

  #lose(text) {
    this.lost++;
    if (this.told.length < TOLD_MAX) this.told.push(text);
  }
}

function describe({ state, code, sent, received, sentFrames, receivedFrames }) {
  const why = code === '' ? '' : ` (${code})`;
  return `${state}${why}, sent ${sent} bytes (${sentFrames} frames), received ${received} (${receivedFrames})`;
}
