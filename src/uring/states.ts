// What a connection over completions is in the midst of: bits of one number.

export const RECEIVING = 1; // a receive is in flight
export const AWAITING = 2; // so is a poll for room to send
export const REPORTING = 4; // so is a send of the queue
export const IN_FLIGHT = RECEIVING | AWAITING | REPORTING;
export const PAUSED = 8;
export const READ_ENDED = 16; // the peer's FIN has been told
export const END_HELD = 32; // the peer's FIN has come while we were paused
export const ENDING = 64;
export const WRITE_ENDED = 128;
export const CLOSED = 256;
export const NEED_DRAIN = 512;
export const DRAIN_DUE = 1024;
export const RESUMED = 2048; // what was held is told in a later turn
