// Loads `underloop/async` from this checkout. Programs of yours import 'underloop/async'.

import './underloop.js'; // says what to do when nothing has been built

export const { connect, gather, listen, run, serve, sleep } = await import('../../dist/async/index.js');
