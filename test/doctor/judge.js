// What a run of the doctor is worth: whether its findings are those that were expected.

/** Share of the faults that must be found. */
export const FOUND_LEAST = 0.99;
/** Share that may go unjudged: with more, an examination on a busy machine would say little. */
const UNPROVEN_MOST = 0.05;

/** The name as the program has it: without the word that bind() puts before it, without the class. */
function plainName(name) {
  return String(name ?? '')
    .replace(/^(bound |async |get |Object\.)+/, '')
    .replace(/^\(anonymous\)$|^<anonymous>$|^anonymous$/, '');
}

function isHandler(handler, expected) {
  if (expected === null || expected === undefined) return true;
  if (handler === null || handler === undefined) return false;
  const names = expected.names.map(plainName);
  return names.includes(plainName(handler.name)) || handler.line === expected.line;
}

function isClass(finding, expected, alsoCause) {
  if (finding.class !== expected.class) return false;
  return expected.cause === null || finding.cause === expected.cause || finding.cause === alsoCause;
}

/**
 * One program with a mistake. Gives `verdict` and `extra`, the findings of another class or cause. Verdicts: found; missed:
 * nothing at all was found; wrong: another class or cause; handler: the right class, but another handler. `alsoCause`: a
 * cause that is just as right.
 */
export function judgeFault(findings, expected, alsoCause = expected.cause) {
  const right = findings.filter((finding) => isClass(finding, expected, alsoCause));
  const extra = findings.filter((finding) => !isClass(finding, expected, alsoCause));
  if (findings.length === 0) return { verdict: 'missed', extra };
  if (right.length === 0) return { verdict: 'wrong', extra };
  const named = right.some((finding) => isHandler(finding.handler, expected.handler));
  return { verdict: named ? 'found' : 'handler', extra };
}

/** One program without a mistake. */
export function judgeClean(findings) {
  return { verdict: findings.length === 0 ? 'silent' : 'alarm', extra: findings };
}

/** The last line of a program's output that says whether it had its fault; null without one. */
export function proofIn(output) {
  for (const line of output.trimEnd().split('\n').reverse()) {
    if (!line.startsWith('{"fault":')) continue;
    try {
      return JSON.parse(line);
    } catch {
      continue; // cut off
    }
  }
  return null;
}

/**
 * Counts per class, and whether the doctor has passed: 99% of the faults found by class (and cause, and handler), nothing
 * found where nothing is. What did not prove its own fault, because the machine was too busy for it, counts for nobody;
 * of that there may be 5% at most.
 */
export function summarize(results) {
  const rows = new Map();
  for (const { kind, expected, verdict, extra } of results) {
    const name =
      kind === 'clean'
        ? 'clean'
        : expected.cause === null
          ? expected.class
          : `${expected.class} (${expected.cause})`;
    const row = rows.get(name) ?? {
      name,
      programs: 0,
      found: 0,
      missed: 0,
      wrong: 0,
      handler: 0,
      extra: 0,
      unproven: 0,
      failed: 0,
    };
    rows.set(name, row);
    row.programs++;
    if (verdict === 'silent') row.found++;
    else if (verdict === 'alarm') row.wrong++;
    else row[verdict]++;
    if (extra.length > 0 && kind !== 'clean') row.extra++;
  }
  const table = [...rows.values()].sort(
    (a, b) => (a.name === 'clean') - (b.name === 'clean') || a.name.localeCompare(b.name),
  );
  const faults = table.filter(({ name }) => name !== 'clean');
  const sum = (key) => faults.reduce((total, row) => total + row[key], 0);
  const programs = sum('programs');
  const judged = programs - sum('unproven');
  const share = judged === 0 ? 1 : sum('found') / judged;
  const isComplete = programs - judged <= UNPROVEN_MOST * programs;
  const clean = rows.get('clean');
  const alarms = clean === undefined ? 0 : clean.wrong + clean.failed;
  const passed = share >= FOUND_LEAST && alarms === 0 && isComplete;
  return { table, judged, found: sum('found'), share, alarms, isComplete, passed };
}
