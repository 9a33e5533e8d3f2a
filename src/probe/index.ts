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
export { anonymousBytes } from './snapshot.js';
export type {
  ProcessFigure,
  ProcessFigures,
  ProcessSnapshot,
  ThreadFigure,
  ThreadFigures,
  ThreadSleep,
  ThreadSnapshot,
} from './snapshot.js';
export { parseStat } from './stat.js';
export { listPids, readAllProcesses, readFdTarget, readProcess, readProcessInSlices } from './process.js';
export type { ProcessOptions, SlicedOptions } from './process.js';
export { processDifference, threadDifference } from './process-difference.js';
export type { ProcessDifference, ThreadDifference } from './process-difference.js';
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
export { noInspector, systemInspector } from './inspector.js';
export type { EpollSlot, Inspector } from './inspector.js';
export {
  EPOLL_FLAGS,
  decodeEvents,
  decodeToken,
  describeEvents,
  findEpollFds,
  isDisarmed,
  isOwnPoller,
  isSameSet,
  parseInterest,
  readInterest,
  readPollerInterest,
} from './interest.js';
export type {
  EpollFlag,
  EvidenceOptions,
  InterestEntry,
  InterestList,
  InterestToken,
  TargetState,
} from './interest.js';
export { compareInterest, describeDifference, epollEvents } from './interest-difference.js';
export type { InterestDifference } from './interest-difference.js';
export { READING_ENDED, WRITING_ENDED } from './socket-facts.js';
export type { Backlog, SocketFacts, SocketMemory, TcpFigures } from './socket-facts.js';
export { readSocketTable } from './sockets.js';
export type { SocketTable } from './sockets.js';
export { findSocket, readDescriptors } from './descriptors.js';
export type { DescriptorFacts, DescriptorOptions, PipeEnd, TimerState } from './descriptors.js';
export { describeDescriptor } from './describe-descriptor.js';
export { READINESS_ASSUMPTIONS, derivedReadiness, entryReadiness } from './readiness.js';
export type { Answer, DerivedReadiness, ReadinessAnswers } from './readiness.js';
export { describeThreadGroup, describeThreads, groupThreads } from './threads.js';
export type { ThreadGroup } from './threads.js';
