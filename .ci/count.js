// Adds up the JSON reports of vitest, the check and the sanitizers (scripts/sanitize.js), each followed by its exit code,
// and prints what failed and the sum.
import { readFileSync } from 'node:fs';

const [testsFile, testStatus, checkFile, checkStatus, ...sanitizedFiles] = process.argv.slice(2);
let passed = 0;
const failures = [];

/** Undefined also for a report that is missing or cut off, as that of a command which ran out of time is. */
function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** A command that failed although nothing in its report did has still failed, and so has one without a report. */
function addCommand(name, status, report, failuresBefore) {
  if (failures.length > failuresBefore) return;
  if (!report) failures.push(`${name} left no report and ended with exit code ${status}`);
  else if (status !== '0') failures.push(`${name} ended with exit code ${status}`);
}

const tests = readJson(testsFile);
let skipped = 0;
for (const { name, status, message, assertionResults } of tests?.testResults ?? []) {
  const before = failures.length;
  for (const test of assertionResults) {
    if (test.status === 'passed') passed++;
    else if (test.status === 'skipped' || test.status === 'todo') skipped++;
    else if (test.status === 'failed') failures.push(`test: ${test.fullName}`);
    // What was still pending when its process crashed.
    else failures.push(`test that never ended: ${test.fullName}`);
  }
  // A file that could not be loaded, or crashed at once, reports no test at all.
  const isSilent = failures.length === before && (status === 'failed' || assertionResults.length === 0);
  if (isSilent) failures.push(`test file: ${name} ${message || 'reported no test'}`);
}
addCommand('npm test', testStatus, tests, 0);

const failuresOfTests = failures.length;
const steps = readJson(checkFile);
for (const step of steps ?? []) {
  if (step.passed) passed++;
  else failures.push(`check: ${step.name}`);
}
addCommand('npm run check', checkStatus, steps, failuresOfTests);

for (const name of ['test:native', 'test:sanitized']) {
  const [file, status] = sanitizedFiles.splice(0, 2);
  const before = failures.length;
  const parts = readJson(file);
  for (const part of parts ?? []) {
    passed += part.passed;
    failures.push(...part.failures.map((failure) => `${part.name}: ${failure}`));
  }
  addCommand(`npm run ${name}`, status, parts, before);
}

for (const failure of failures) console.log(`FAILED ${failure}`);
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 ? 1 : 0;
