// The model `uring`: completions instead of readiness, one thread, on an io_uring.

import { listenOn } from '../uring/listener.js';
import { ReactorCalls } from '../workload/upstream-calls.js';
import { unavailable } from '../uring/kernel.js';
import { openProactor } from '../uring/proactor.js';
import { checkStart } from './checks.js';
import type { Model, ModelOptions, RunningModel, Workload } from './model.js';
import { RunningReactor } from './reactor.js';

class UringModel implements Model {
  readonly name = 'uring';
  readonly summary = 'io_uring: the kernel receives and sends, and tells when it has; one thread';

  unavailable(): string | null {
    return unavailable();
  }

  async start(workload: Workload, options: ModelOptions = {}): Promise<RunningModel> {
    checkStart(this, workload, options);
    const proactor = openProactor();
    const { reactor } = proactor;
    try {
      const running = new RunningReactor(
        reactor,
        (listening, handlers) => listenOn(proactor, listening, handlers),
        new ReactorCalls(reactor, workload.upstreamPort),
        workload,
        options,
      );
      await Promise.race([running.finished, Promise.resolve()]);
      return running;
    } catch (error) {
      reactor.close();
      throw error;
    }
  }
}

export const uring = new UringModel();
