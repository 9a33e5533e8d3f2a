// The public subpath `underloop/async`: promises over the reactor.

export type { AbortOptions } from './abort.js';
export { run } from './run.js';
export { sleep, timeout } from './sleep.js';
export type { AsyncTask } from './sleep.js';
export { TaskGroup, TaskGroupError, gather, race } from './task-group.js';
export type { Results } from './task-group.js';
export { connect } from './connection.js';
export type { AsyncConnectOptions, AsyncConnection, ReadUntilOptions } from './connection.js';
export { listen, serve } from './listener.js';
export type { AsyncListenOptions, AsyncListener, ConnectionHandler, ServeOptions } from './listener.js';
