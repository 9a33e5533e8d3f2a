// Loads underloop from this checkout, or says what to do when it has not been built. Programs of yours import 'underloop'.

import { basename } from 'node:path';

async function load() {
  try {
    return await import('../../dist/index.js');
  } catch (error) {
    const notCompiled = error.code === 'ERR_MODULE_NOT_FOUND';
    if (!notCompiled && error.code !== 'ERR_NATIVE_MISSING') throw error;
    const remedy = notCompiled
      ? 'The TypeScript has not been compiled: there is no dist/index.js. Run `npm install` in the checkout first.'
      : error.message;
    console.error(`${basename(process.argv[1] ?? 'underloop', '.js')}: ${remedy}`);
    process.exit(1);
  }
}

export const {
  ERROR,
  HANGUP,
  INVALID,
  NONE,
  PRIORITY,
  READABLE,
  READ_CLOSED,
  Reactor,
  SilentObserver,
  SystemError,
  WRITABLE,
  UnderloopError,
  datagram,
  descriptors,
  listen,
  nativeKernel,
  resolveHost,
} = await load();
