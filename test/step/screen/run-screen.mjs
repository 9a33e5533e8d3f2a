// Steps a script on this terminal's screen: node test/step/screen/run-screen.mjs SCRIPT [ARGUMENT...]. For tests over a pseudo-terminal.

import { writeSync } from 'node:fs';
import { stepOnScreen } from '../../../dist/step/screen/index.js';

const [script, ...args] = process.argv.slice(2);
// An exception of our own, when the program under test has long begun.
if (process.env.THROW_MS) setTimeout(() => { throw new Error('thrown on purpose'); }, Number(process.env.THROW_MS));
const evidence = process.env.EVIDENCE ? JSON.parse(process.env.EVIDENCE) : null;
const ending = await stepOnScreen(script, args, {
  signal: new AbortController().signal,
  ...(evidence && { evidence: (held) => evidence.map((row) => ({ ...row, description: `${row.description} of turn ${held.turn}` })) }),
});
writeSync(1, `ENDING ${JSON.stringify(ending)}\n`);
