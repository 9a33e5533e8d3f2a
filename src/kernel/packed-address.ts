// Socket addresses in a fixed form of bytes, so that a datagram's sender costs no object: the addon speaks it too.

import { isIP } from 'node:net';
import { binding } from '../binding.js';
import type { SocketAddress } from './kernel.js';

// Family (0 none, 1 Unix, 4, 6), bytes of a Unix name, port (big endian), scope of an IPv6 address (little endian), and from
// 8 on the address, or the name itself. The same stands in native/datagram.cc.
const HEAD_BYTES = 8;
/** sun_path of unix(7): 108 bytes on Linux, 104 on macOS and FreeBSD. The system refuses what is too long for it. */
const UNIX_BYTES_MAX = 108;

/** Writes `address` into `bytes` from `at`. False for what is no numeric address, or too long a name. */
export function packAddress(address: SocketAddress, bytes: Uint8Array, at: number): boolean {
  bytes.fill(0, at, at + HEAD_BYTES);
  if (address.family === 'unix') return packName(address.path, bytes, at);
  const { host, port } = address;
  if (isIP(host) !== address.family) return false;
  bytes[at] = address.family;
  bytes[at + 2] = port >>> 8;
  bytes[at + 3] = port & 0xff;
  if (address.family === 4) {
    host.split('.').forEach((part, i) => (bytes[at + HEAD_BYTES + i] = Number(part)));
    return true;
  }
  const scopeAt = host.indexOf('%');
  const digits = scopeAt < 0 ? host : host.slice(0, scopeAt);
  if (scopeAt >= 0) {
    const scope = host.slice(scopeAt + 1);
    const number = /^\d+$/.test(scope) ? Number(scope) : binding.interfaceNumber(scope);
    if (number === 0) return false;
    for (let i = 0; i < 4; i++) bytes[at + 4 + i] = (number >>> (8 * i)) & 0xff;
  }
  groupsOf(digits).forEach((group, i) => {
    bytes[at + HEAD_BYTES + 2 * i] = group >>> 8;
    bytes[at + HEAD_BYTES + 2 * i + 1] = group & 0xff;
  });
  return true;
}

/** The address that stands in `bytes` from `at`; null for none (the sender has no name). */
export function unpackAddress(bytes: Uint8Array, at: number): SocketAddress | null {
  const family = bytes[at];
  const from = at + HEAD_BYTES;
  if (family === 1) {
    return { family: 'unix', path: Buffer.from(bytes.subarray(from, from + bytes[at + 1])).toString() };
  }
  const port = (bytes[at + 2] << 8) | bytes[at + 3];
  if (family === 4) return { family, host: bytes.subarray(from, from + 4).join('.'), port };
  if (family !== 6) return null;
  const scope = (bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)) >>> 0;
  const host = textOf(bytes, from) + (scope === 0 ? '' : `%${binding.interfaceName(scope) || String(scope)}`);
  return { family, host, port };
}

function packName(name: string, bytes: Uint8Array, at: number): boolean {
  const length = Buffer.byteLength(name);
  if (length === 0 || length > UNIX_BYTES_MAX) return false;
  bytes[at] = 1;
  bytes[at + 1] = length;
  bytes.set(Buffer.from(name), at + HEAD_BYTES);
  return true;
}

/** The eight groups of an IPv6 address that isIP() has found good. */
function groupsOf(text: string): number[] {
  const halves = text.split('::').map((part) => (part === '' ? [] : part.split(':').flatMap(groups)));
  if (halves.length === 1) return halves[0];
  const [head, tail] = halves;
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function groups(part: string): number[] {
  if (!part.includes('.')) return [Number.parseInt(part, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

/** As inet_ntop(3) writes it: the longest run of zeros left out, IPv4 inside IPv6 with dots. */
function textOf(bytes: Uint8Array, from: number): string {
  const all = Array.from({ length: 8 }, (_, i) => (bytes[from + 2 * i] << 8) | bytes[from + 2 * i + 1]);
  if (all.slice(0, 5).every((group) => group === 0) && all[5] === 0xffff) {
    return `::ffff:${bytes.subarray(from + 12, from + 16).join('.')}`;
  }
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (all[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const hex = (list: number[]): string => list.map((group) => group.toString(16)).join(':');
  return start < 0 ? hex(all) : `${hex(all.slice(0, start))}::${hex(all.slice(start + length))}`;
}
