// The file that binding a Unix socket makes: removed at the end by whoever made it, if it is still the same one.

import { resolve } from 'node:path';
import { argumentError } from '../errors.js';
import { ECONNREFUSED } from '../kernel/errno.js';
import type { Kernel, SocketAddress, UnixAddress } from '../kernel/kernel.js';

/** A file that is to be removed. `identity` is its device and inode: another process may have put its own at the path. */
export interface SocketFile {
  readonly path: string;
  readonly identity: string;
}

/** Of a socket just bound; null when no file was made (abstract names), or when it is to stay. */
export function boundFile(kernel: Kernel, address: SocketAddress, keep = false): SocketFile | null {
  const { path } = address;
  if (keep || path === undefined || path === '' || path.startsWith('\0')) return null;
  const identity = kernel.socketFile(path);
  // Resolved: the working directory may be another one when the file is removed.
  return typeof identity === 'string' ? { path: resolve(path), identity } : null;
}

export function removeFile(kernel: Kernel, file: SocketFile | null): void {
  if (file !== null) kernel.unlink(file.path, file.identity);
}

/** Whether somebody has it open. Only ECONNREFUSED says that nobody does: EPROTOTYPE is a datagram socket, EACCES another's. */
function answers(kernel: Kernel, address: UnixAddress): boolean {
  const fd = kernel.socket('unix');
  if (fd < 0) return true; // nobody knows: so nothing is removed
  const result = kernel.connect(fd, address);
  kernel.close(fd);
  return result !== ECONNREFUSED;
}

/** Removes a file that belongs to no socket any more. Throws ERR_ARGUMENT for an abstract name. */
export function removeStale(kernel: Kernel, address: UnixAddress): void {
  if (address.path.startsWith('\0'))
    throw argumentError(
      'options.replaceStale',
      'absent with an abstract name, of which there is no file',
      true,
    );
  const identity = kernel.socketFile(address.path);
  if (typeof identity === 'string' && !answers(kernel, address)) kernel.unlink(address.path, identity);
}

/** What to do when bind(2) gave EADDRINUSE. */
export function takenHint(kernel: Kernel, address: UnixAddress): string {
  if (address.path.startsWith('\0')) return 'Another socket has this name; choose another one';
  if (typeof kernel.socketFile(address.path) === 'number')
    return 'There is a file that is no socket; choose another path';
  return answers(kernel, address)
    ? 'Another process listens there; choose another path'
    : 'Nobody listens there any more: a server that was killed has left the file. Remove it, or give `replaceStale: true`';
}
