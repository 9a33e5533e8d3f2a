// Builds the C limits and says where their programs are.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../limit/', import.meta.url));

/** @param {'epoll_echo' | 'uring_echo' | 'threads_echo' | 'client' | 'floor' | 'udp_echo' | 'udp_client'} name */
export const limitProgram = (name) => `${folder}build/${name}`;

/** Builds what is missing or older than its source. Throws with the compiler's own words. */
export function buildLimits() {
  if (process.platform !== 'linux') {
    throw new Error(
      `The limits are written on epoll, so these benchmarks run on Linux only, not on ${process.platform}.`,
    );
  }
  const made = spawnSync('make', ['-s', '-C', folder], { encoding: 'utf8' });
  if (made.error !== undefined)
    throw new Error(`Building the C limits needs make and a C compiler: ${made.error.message}`);
  if (made.status !== 0)
    throw new Error(`Building the C limits failed (make and a C compiler are needed):\n${made.stderr}`);
}
