// Outgoing datagrams as one piece of bytes, addresses included: what stands for them on a tape is the hash of that.

import { DATAGRAMS_MAX, DATAGRAM_BLOCK_BYTES, ROW_NUMBERS } from '../kernel/datagram-memory.js';

/** What one call may receive: all slots, and for each row four numbers and an address. */
export const DATAGRAM_ROOM = DATAGRAM_BLOCK_BYTES + DATAGRAMS_MAX * 32;

// As packed-address.ts has them: the family, the bytes of a Unix name, then the address from byte 8 on.
const HEAD_BYTES = 8;
const FAMILY_UNIX = 1;
const FAMILY_4 = 4;

/** Rows `first` to `first + count` of `table`, each with its address before it. */
export function datagramBytes(
  bytes: Uint8Array,
  table: Int32Array,
  first: number,
  count: number,
): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let i = first; i < first + count; i++) {
    const [address, start, end] = table.subarray(i * ROW_NUMBERS, i * ROW_NUMBERS + 3);
    if (address >= 0) {
      const family = bytes[address];
      const length = family === FAMILY_UNIX ? bytes[address + 1] : family === FAMILY_4 ? 4 : 16;
      pieces.push(bytes.subarray(address, address + HEAD_BYTES + length));
    }
    pieces.push(bytes.subarray(start, end));
  }
  return Buffer.concat(pieces);
}
