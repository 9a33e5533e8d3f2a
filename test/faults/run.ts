// Runs one workload under one fault, and says what broke.

import { SystemError } from '../../src/index.js';
import { nameOf } from './fault.js';
import type { Fault } from './fault.js';
import type { Stage, Triggers } from './stage.js';
import { stageOf } from './workloads.js';
import type { Workload } from './workloads.js';

/** To its end, with its invariants checked. */
export function play(workload: Workload, trigger: Triggers, fault: Fault | null): Stage {
  const stage = stageOf(workload, trigger, fault);
  stage.run();
  stage.check();
  return stage;
}

/** What is wrong under a fault; null: nothing. */
export function broken(workload: Workload, trigger: Triggers, fault: Fault): string | null {
  let stage: Stage;
  try {
    stage = play(workload, trigger, fault);
  } catch (error) {
    // Documented: a reactor without a poller is not made at all.
    if (fault.call === 'openPoller' && error instanceof SystemError) return null;
    return `${nameOf(fault)} (${trigger}): ${error instanceof Error ? String(error.stack) : String(error)}`;
  }
  if (stage.hits === 0) stage.violate('the fault has met no call');
  // What fails once holds nobody up for ever: somebody was told, or it was tried again.
  if (stage.gaveUp && fault.when !== 'every') stage.violate('it came to no end by itself');
  return stage.violations.length > 0 ? stage.describe() : null;
}
