// This system's errno numbers, negative, as every kernel call returns them.

import { constants } from 'node:os';

const e = constants.errno;

export const EAGAIN = -e.EAGAIN;
export const EBADF = -e.EBADF;
export const ECANCELED = -e.ECANCELED;
export const ECONNABORTED = -e.ECONNABORTED;
export const ECONNREFUSED = -e.ECONNREFUSED;
export const ECONNRESET = -e.ECONNRESET;
export const EEXIST = -e.EEXIST;
export const EINPROGRESS = -e.EINPROGRESS;
export const EINVAL = -e.EINVAL;
export const EMFILE = -e.EMFILE;
export const ENFILE = -e.ENFILE;
export const ENOBUFS = -e.ENOBUFS;
export const ENOENT = -e.ENOENT;
export const ENOMEM = -e.ENOMEM;
export const ENOSPC = -e.ENOSPC;
export const ENOTCONN = -e.ENOTCONN;
/** EOPNOTSUPP and ENOTSUP are one number on Linux. */
export const ENOTSOCK = -e.ENOTSOCK;
export const ENOPROTOOPT = -e.ENOPROTOOPT;
export const EADDRINUSE = -e.EADDRINUSE;
export const EADDRNOTAVAIL = -e.EADDRNOTAVAIL;
export const EOPNOTSUPP = -e.EOPNOTSUPP;
export const EIO = -e.EIO;
export const ENOTSUP = -e.ENOTSUP;
export const EPERM = -e.EPERM;
export const EPIPE = -e.EPIPE;
export const ERANGE = -e.ERANGE;
export const ETIMEDOUT = -e.ETIMEDOUT;
