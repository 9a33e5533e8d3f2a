// Socket addresses as the kernel's tables hold them, in the form that people write: 127.0.0.1:80, [::1]:80.

/** From 4 or 16 bytes in network order. The unspecified address stays 0.0.0.0 or [::], as netstat has it. */
export function formatEndpoint(bytes: Uint8Array, port: number): string {
  return bytes.length === 4 ? `${bytes.join('.')}:${port}` : `[${formatIpv6(bytes)}]:${port}`;
}

/** RFC 5952: the longest run of two or more zero groups is left out, the first of equals. */
function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] << 8) | bytes[i * 2 + 1]).toString(16));
  if (groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff')
    return `::ffff:${bytes.subarray(12).join('.')}`;
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === '0') end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
  }
  if (start < 0) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** `0100007F:0050` of /proc/net/tcp: 32-bit words in the machine's own order, the port in hexadecimal. Null: another form. */
export function parseProcEndpoint(text: string): { bytes: Uint8Array; port: number } | null {
  const match = /^((?:[0-9A-F]{8}){1}|(?:[0-9A-F]{8}){4}):([0-9A-F]{4})$/.exec(text);
  if (match === null) return null;
  const bytes = Uint8Array.from(Buffer.from(match[1], 'hex'));
  if (LITTLE_ENDIAN) for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
  return { bytes, port: parseInt(match[2], 16) };
}
