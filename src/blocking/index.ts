// The public subpath `underloop/blocking`: sockets that block their thread.

export { connect } from './client.js';
export type { BlockingConnectOptions, BlockingConnection } from './client.js';
