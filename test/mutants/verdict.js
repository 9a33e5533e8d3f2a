// Runs test files on the copy, and judges a mutant by what failed.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { runCommand } from './command.js';

/** Runs files below test/. Names are whole: those of the suites, then the test's, with ' > ' between. */
export async function runTests(workspace, files, limitMs) {
  const report = workspace.at('report.json');
  const notes = workspace.at('notes.jsonl');
  for (const file of [report, notes]) fs.rmSync(file, { force: true });
  const args = [
    workspace.at('node_modules/vitest/vitest.mjs'),
    'run',
    '--config',
    'test/mutants/vitest.config.js',
  ];
  args.push('--reporter=json', `--outputFile=${report}`, ...files.map((file) => `test/${file}`));
  const env = { ...process.env, CI: 'true', NO_COLOR: '1', UNDERLOOP_MUTANTS_NOTES: notes };
  delete env['UNDERLOOP_POLLER'];
  const { output, timedOut } = await runCommand(args, { cwd: workspace.root, env, limitMs });
  const result = { failed: [], passed: [], hung: [], broken: [], timedOut, ms: {} };
  for (const { name, message, startTime, endTime, assertionResults } of readReport(report)) {
    const file = path.relative(workspace.at('test'), name);
    result.ms[file] = endTime - startTime;
    if (assertionResults.length === 0) result.broken.push(`${file}: ${message || 'reported no test'}`);
    for (const { ancestorTitles, title, status } of assertionResults) {
      const test = [...ancestorTitles, title].join(' > ');
      if (status === 'passed') result.passed.push(test);
      else if (status === 'failed') result.failed.push(test);
    }
  }
  // Begun and not ended: it hangs, or its process has died of it.
  const open = new Map();
  for (const line of readLines(notes)) {
    const [what, test] = JSON.parse(line);
    open.set(test, (open.get(test) ?? 0) + (what === 'begin' ? 1 : -1));
    // Without a report, for the run was ended.
    if (what === 'fail' && !result.failed.includes(test)) result.failed.push(test);
  }
  for (const [test, count] of open) if (count > 0 && !result.failed.includes(test)) result.hung.push(test);
  if (!fs.existsSync(report) && result.hung.length === 0) result.broken.push(output.trim().slice(-2000));
  return result;
}

function readReport(file) {
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).testResults : [];
}
function readLines(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}

/** Whether a test has that name, or stands in a suite that has; names may be cut short at their end. */
const isNamed = (test, name) => ` > ${test}`.includes(` > ${name}`);

/**
 * Killed: each of the named tests fails, and no other but those that are listed. A run that was ended in the middle did
 * not come to all of them: there the tests that hung must be among the named.
 */
export function judge(mutant, { failed, hung, broken, timedOut }) {
  const named = Object.values(mutant.fails).flat();
  const listed = [...named, ...Object.keys(mutant.alsoFails ?? {})];
  const fallen = [...failed, ...hung];
  const missing = named.filter((name) => !fallen.some((test) => isNamed(test, name)));
  const reasons =
    !timedOut || missing.length === named.length ? missing.map((name) => `passes: ${name}`) : [];
  for (const test of fallen) {
    if (!listed.some((name) => isNamed(test, name))) reasons.push(`fails too: ${test}`);
  }
  reasons.push(...broken.map((text) => `broken: ${text}`));
  return { killed: reasons.length === 0, reasons, fallen: fallen.length, hung: hung.length };
}
