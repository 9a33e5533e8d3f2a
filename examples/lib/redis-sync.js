// A small synchronous Redis client: every command blocks its thread until the answer is there.

import { connect } from './blocking.js'; // in a program of yours: from 'underloop/blocking'
import { Decoder, RedisError, encodeCommand } from './resp.js';

export class RedisConnection {
  #socket;
  #decoder = new Decoder();
  #buffer = Buffer.alloc(64 * 1024);

  constructor(socket) {
    this.#socket = socket;
  }

  /** Sends a command and gives its answer. Throws a RedisError that the server answers with. */
  command(...parts) {
    this.#socket.write(encodeCommand(parts));
    for (;;) {
      const answer = this.#decoder.next();
      if (answer?.value instanceof RedisError) throw answer.value;
      if (answer !== null) return answer.value;
      const count = this.#socket.read(this.#buffer);
      if (count === 0) throw new Error('the server closed the connection');
      this.#decoder.feed(this.#buffer.subarray(0, count));
    }
  }

  close() {
    this.#socket.close();
  }
}

/** Connects by a URL, `redis://user:password@127.0.0.1:6379/0`. */
export function connectRedis(url) {
  const { hostname, port, username, password, pathname } = new URL(url);
  const host = hostname === 'localhost' ? '127.0.0.1' : hostname.replace(/^\[|\]$/g, '');
  const redis = new RedisConnection(connect({ host, port: Number(port || 6379) }));
  try {
    const credentials = [username, password].filter(Boolean).map(decodeURIComponent);
    if (credentials.length > 0) redis.command('AUTH', ...credentials);
    if (pathname.length > 1) redis.command('SELECT', pathname.slice(1));
    return redis;
  } catch (error) {
    redis.close();
    throw error;
  }
}
