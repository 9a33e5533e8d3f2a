// The public face of underloop: what programs import.

import './executor/method.js'; // reactor.runInExecutor()

export { Reactor } from './reactor/reactor.js';
export type { Held, Stepper } from './reactor/hold.js';
export type { InjectableCall, InjectedResult } from './reactor/inject.js';
export type { Step } from './reactor/next.js';
export type { ReactorOptions } from './reactor/options.js';
export type { Timer } from './reactor/timer-heap.js';
export type { Task, Runnable } from './reactor/run-queue.js';
export type { Watch, WatchHandler } from './reactor/watch.js';
export { SilentObserver } from './reactor/observer.js';
export type {
  InterestChange,
  ItemKind,
  ObservedReactor,
  Observer,
  TimeoutReason,
} from './reactor/observer.js';

export { Poller } from './poller/any-fd.js';
export type { PollerOptions, Registration } from './poller/any-fd.js';
export {
  ALWAYS_REPORTED,
  ERROR,
  EVENT_STRIDE,
  HANGUP,
  INVALID,
  NONE,
  PRIORITY,
  READABLE,
  READ_CLOSED,
  WRITABLE,
  describeReadiness,
} from './poller/poller.js';
export type { KernelPoller, PollerCapabilities, PollerKind, Trigger } from './poller/poller.js';
export * as descriptors from './poller/descriptors.js';

export { listen } from './net/listener.js';
export type { ListenOptions, Listener, ListenerCounters, ListenerHandlers } from './net/listener.js';
export { inheritedListeners } from './net/listening.js';
export type { InheritedListener, PlaceOptions } from './net/listening.js';
export { adopt, pipe, socketPair } from './net/adopt.js';
export type { PipeEnds } from './net/adopt.js';
export type { KeepAlive, StreamOptions } from './net/options.js';
export type { ServiceOptions } from './net/service.js';
export { connect } from './net/connect.js';
export type { ConnectOptions } from './net/connect.js';
export { copy } from './net/connection.js';
export type { Connection, ConnectionHandlers } from './net/connection.js';
export { datagram } from './net/datagram.js';
export type { DatagramOptions } from './net/datagram.js';
export type { DatagramHandlers, DatagramTarget } from './net/datagram-handlers.js';
export type { DatagramSocket } from './net/datagram-socket.js';
export type { Sender } from './net/sender.js';
export type { Flush } from './net/staging.js';
export { resolveHost } from './net/address.js';
export type { ResolvedHost } from './net/address.js';

export { PIECES_MAX, UNIX_PATH_BYTES_MAX } from './kernel/kernel.js';
export { nativeKernel } from './kernel/native.js';
export type {
  DescriptorFacts,
  InternetAddress,
  Kernel,
  Membership,
  SocketAddress,
  SocketOption,
  SocketType,
  UnixAddress,
} from './kernel/kernel.js';
export { SystemError, UnderloopError } from './errors.js';
export type { ErrorCode, SystemErrorContext } from './errors.js';
