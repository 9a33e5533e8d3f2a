// The probes' face: what the other floors import.

export {
  difference,
  firstKnown,
  isKnown,
  isUnavailable,
  known,
  sum,
  unavailable,
  valueOf,
} from './figure.js';
export type { Figure, Known, Reading, Unavailable } from './figure.js';
export { systemFiles } from './files.js';
export type { Files } from './files.js';
export { clockTicksPerSecond, pageBytes } from './constants.js';
export { coreBusyShare, readCores } from './cores.js';
export type { CoreTimes, CoresSnapshot } from './cores.js';
export { describeCall, parseSyscall } from './syscalls.js';
export type { ThreadCall, WaitingCall } from './syscalls.js';
export { slabUse } from './meminfo.js';
export type { SlabCache, SlabUse } from './meminfo.js';
export { freeMemory, pageCache, pageTables, readSystem, systemDifference } from './system.js';
export type { SystemDifference, SystemFigure, SystemFigures, SystemSnapshot } from './system.js';
export {
  anonymousBytes,
  listPids,
  processDifference,
  readAllProcesses,
  readFdTarget,
  readProcess,
  readProcessInSlices,
  threadDifference,
} from './process.js';
export type {
  ProcessDifference,
  ProcessFigure,
  ProcessFigures,
  ProcessOptions,
  ProcessSnapshot,
  SlicedOptions,
  ThreadDifference,
  ThreadFigure,
  ThreadFigures,
  ThreadSleep,
  ThreadSnapshot,
} from './process.js';
export {
  BILL_NOTES,
  BILL_PARTS,
  SEND_PAGE_BYTES,
  memoryBill,
  memoryBillBetween,
  readMemoryLook,
} from './bill.js';
export type {
  BillNote,
  BillOptions,
  BillPart,
  MemoryBill,
  MemoryLook,
  ProcessesBeforeAndAfter,
} from './bill.js';
export {
  cgroupMemoryMax,
  cgroupPidsMax,
  connectionCapacity,
  fdLimit,
  mappingsMax,
  pidMax,
  portRange,
  threadCapacity,
  threadsMax,
  threadsNow,
  userProcessLimit,
} from './limits.js';
export type { Capacity, Limit, PortRange, SoftAndHard } from './limits.js';
export { describeMachine } from './machine.js';
export type { MachineDescription } from './machine.js';
