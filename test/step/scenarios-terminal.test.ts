// Each scenario on a pseudo-terminal, as a reader plays it: Enter before each command, to the last paragraph.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { scenarioNames } from '../../src/step/scenarios/index.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const PATIENCE_MS = 40_000;

interface Played {
  readonly status: number;
  readonly output: string;
  readonly enters: number;
  readonly settingsKept: boolean;
}

/** Runs the command line on a terminal and presses Enter whenever it waits for that; `quitAfter` times, then q. */
function play(name: string, quitAfter = Infinity): Promise<Played> {
  const command = [process.execPath, path('../../dist/cli/main.js'), 'step', '--scenario', name];
  const driver = spawn('python3', [path('screen/pty.py'), '100', '30', ...command], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color' },
  });
  let output = '';
  let answered = 0;
  return new Promise((resolve, reject) => {
    driver.once('exit', () => reject(new Error(`the terminal ended early:\n${output}`)));
    createInterface({ input: driver.stdout }).on('line', (line) => {
      const told = JSON.parse(line) as { output: string } | { status: number; before: string; after: string };
      if (!('output' in told)) {
        const { status, before, after } = told;
        resolve({ status, output, enters: answered, settingsKept: before === after });
        return;
      }
      output += told.output;
      for (const asked = output.split('(Enter)').length - 1; answered < asked; answered++) {
        driver.stdin.write(`${JSON.stringify({ input: answered < quitAfter ? '\n' : 'q\n' })}\n`);
      }
    });
  });
}

describe.runIf(process.platform === 'linux')('on a terminal', () => {
  test.each(scenarioNames)(
    '%s waits for Enter and ends in what was shown',
    { timeout: PATIENCE_MS },
    async (name) => {
      const { status, output, enters, settingsKept } = await play(name);
      expect(output).toContain('== What was shown');
      expect(enters).toBeGreaterThan(0);
      expect(status).toBe(0);
      expect(settingsKept).toBe(true);
    },
  );

  test('q leaves a lesson in its middle', { timeout: PATIENCE_MS }, async () => {
    const { status, output, settingsKept } = await play('half-close', 1);
    expect(output).not.toContain('== What was shown');
    expect(status).toBe(0);
    expect(settingsKept).toBe(true);
  });
});
