// Loads `underloop/executor` from this checkout. Programs of yours import 'underloop/executor'.

import './underloop.js'; // says what to do when nothing has been built

export const { executor } = await import('../../dist/executor/index.js');
