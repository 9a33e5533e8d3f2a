// Findings as text for people, and as JSON.

import { relative } from 'node:path';
import type { Finding } from './finding.js';

const INDENT = '    ';

/** A path as one would type it here. */
function shown(file: string): string {
  const here = relative(process.cwd(), file);
  return here === '' || here.startsWith('..') ? file : here;
}

function where({ handler }: Finding): string {
  if (handler === null) return '';
  const place = handler.file === null ? '' : `${shown(handler.file)}:${handler.line}`;
  return [handler.name, place].filter((part) => part !== '').join(' ');
}

function evidenceText({ evidence }: Finding): string {
  return Object.entries(evidence)
    .filter(([, value]) => value !== null && !Array.isArray(value) && value !== '')
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');
}

/** One finding in a few lines. */
export function describeFinding(finding: Finding): string {
  const {
    class: name,
    cause,
    severity,
    fd,
    loop,
    poller,
    turn,
    sinceMs,
    times,
    message,
    remedy,
    evidence,
  } = finding;
  const who = where(finding);
  const stack = evidence['stack'];
  const lines = [
    `${severity} ${name}${cause === null ? '' : ` (${cause})`}${fd < 0 ? '' : ` fd ${fd}`}${who === '' ? '' : `  ${who}`}`,
    `${INDENT}${message}.`,
    `${INDENT}since ${sinceMs} ms, turn ${turn} of ${loop} (${poller})${times > 1 ? `, ${times} times` : ''}: ${evidenceText(finding)}`,
    ...(Array.isArray(stack) ? stack.slice(0, 5).map((frame) => `${INDENT}  at ${String(frame)}`) : []),
    `${INDENT}-> ${remedy}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** All of them, and what there is to say of the whole. */
export function describeFindings(findings: readonly Finding[], notes: readonly string[]): string {
  const head =
    findings.length === 0
      ? 'doctor: no finding\n'
      : `doctor: ${findings.length} finding${findings.length === 1 ? '' : 's'}\n\n`;
  const body = findings.map(describeFinding).join('\n');
  const tail = notes.map((note) => `${note}\n`).join('');
  return `${head}${body}${tail === '' ? '' : `\n${tail}`}`;
}

export function findingsJson(findings: readonly Finding[], rest: object): string {
  return `${JSON.stringify({ findings, ...rest })}\n`;
}
