// What the system is like that the scripted kernel simulates.

import type { VirtualClock } from './clock.js';
import type { DatagramSettings } from './scripted-datagram.js';
import type { NetworkSettings } from './scripted-net.js';

/** What the simulated system is like. All can be changed at any time, through {@link ScriptedKernel.settings}. */
export interface ScriptedSettings extends NetworkSettings, DatagramSettings {
  /** RLIMIT_NOFILE: the bound on descriptor numbers, beyond which calls give EMFILE. Default: 1024. */
  fdLimit: number;
  /** Send and receive buffer of new sockets. Default: 64 KiB each. */
  socketBufferBytes: number;
  /** How long a connect takes; Infinity: nobody answers, and ETIMEDOUT comes after 127 s. Default: 0. */
  connectDelayMs: number;
  /** `connect` itself gives the outcome, as some systems do on the loopback, not EINPROGRESS and then readiness. Default: false. */
  connectsAtOnce: boolean;
}

/** What the simulated system is like, and its clock. */
export interface ScriptedKernelOptions extends Partial<ScriptedSettings> {
  /** Default: a new one that starts at 0. */
  clock?: VirtualClock;
  /** Size of the kernel’s `buffer`. Default: 64 KiB. */
  bufferBytes?: number;
}

export const DEFAULTS: ScriptedSettings = {
  fdLimit: 1024,
  socketBufferBytes: 65536,
  connectDelayMs: 0,
  connectsAtOnce: false,
  unixDatagramsMax: 11,
  losesDatagram: () => false,
};
