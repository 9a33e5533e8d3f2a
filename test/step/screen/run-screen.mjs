// Steps a script on this terminal's screen: node test/step/screen/run-screen.mjs SCRIPT [ARGUMENT...]. For tests on a pseudo-terminal.

import { writeSync } from 'node:fs';
import { stepOnScreen } from '../../../dist/step/screen/index.js';

const { EVIDENCE, EVIDENCE_THROWS, THROW_AT_HOLD } = process.env;
const [script, ...args] = process.argv.slice(2);

function evidence({ turn }) {
  // An exception of our own, in the middle of things.
  if (THROW_AT_HOLD)
    setTimeout(() => {
      throw new Error('thrown on purpose');
    }, 50);
  if (EVIDENCE_THROWS) throw new Error('not today');
  const rows = JSON.parse(EVIDENCE ?? '[]').map((row) => ({
    ...row,
    description: `${row.description} of turn ${turn}`,
  }));
  return { rows, notes: [] };
}

const { signal } = new AbortController();
const given = EVIDENCE || THROW_AT_HOLD ? { evidence } : {};
const ending = await stepOnScreen(script, args, { signal, ...given });
writeSync(1, `ENDING ${JSON.stringify(ending)}\n`);
