// One reactor of the model `reactors`, on a thread of its own: serves until it is told to stop, and answers what it counted.

import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { SystemError } from '../errors.js';
import { findModel } from './models.js';
import type { MemberLine, MemberStart } from './reactors.js';

async function serve(port: MessagePort, { model, workload, options }: MemberStart): Promise<void> {
  const say = (line: MemberLine): void => port.postMessage(line);
  try {
    const running = await findModel(model).start(workload, options);
    port.on('message', (command: 'counters' | 'stop') => {
      if (command === 'counters') void Promise.resolve(running.counters()).then(say);
      else void running.stop().then(() => port.close());
    });
    say({ port: running.address.port });
  } catch (error) {
    const { message, code, errno } = error as SystemError;
    say({ failure: { message, code, errno } });
  }
}

if (parentPort !== null) await serve(parentPort, workerData as MemberStart);
