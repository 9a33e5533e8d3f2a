// Completions: a reactor that waits in an io_uring, and connections whose reads and sends are done by the kernel meanwhile.

export { capabilities, unavailable, type RingCapabilities, type RingOptions } from './kernel.js';
export { openProactor, type Proactor } from './proactor.js';
export { RingConnection } from './connection.js';
export type { RingHandlers } from './service.js';
export { listenOn, RingListener, type RingListenerHandlers } from './listener.js';
