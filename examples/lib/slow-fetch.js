// One HTTP request on an open connection to slow-server.js: in a way that blocks, and in one that does not.

const request = (ms) => `GET /?ms=${ms} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

function bodyLength(head) {
  const match = /^HTTP\/1\.1 200 .*\r\nContent-Length: (\d+)$/s.exec(head);
  if (match === null) throw new Error(`unexpected answer: ${head}`);
  return Number(match[1]);
}

/** On a connection of underloop/blocking: returns the body when it is there. */
export function fetchBlocking(connection, ms) {
  connection.write(request(ms));
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += String(connection.readExactly(1));
  return String(connection.readExactly(bodyLength(head.slice(0, -4))));
}

/** On a connection of underloop/async: resolves to the body. */
export async function fetchAsync(connection, ms) {
  await connection.write(request(ms));
  const head = String(await connection.readUntil('\r\n\r\n'));
  return String(await connection.readExactly(bodyLength(head)));
}
