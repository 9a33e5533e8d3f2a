// The public subpath `underloop/testing`: a kernel in memory and a virtual clock, for tests that neither wait nor flake.

export { VirtualClock } from './kernel/clock.js';
export { ScriptedKernel } from './kernel/scripted.js';
export type { ScriptedKernelOptions, ScriptedSettings } from './kernel/scripted-settings.js';
export type { KernelCall, ScriptableCall, ScriptedResult } from './kernel/scripted-calls.js';
export { ScriptDeadlockError } from './kernel/scripted-poller.js';
