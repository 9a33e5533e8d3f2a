// Loads `underloop/blocking` from this checkout. Programs of yours import 'underloop/blocking'.

import './underloop.js'; // says what to do when nothing has been built

export const { connect } = await import('../../dist/blocking/index.js');
