// Finds in a function's source the line from which it calls another: the profiler says only where the function begins.

import { readFileSync, statSync } from 'node:fs';
import { REGEXP } from './stack.js';

const SOURCE_BYTES_MAX = 1024 * 1024;
/** What runs a regular expression. */
const REGEXP_CALLERS = 'test|exec|match|matchAll|replace|replaceAll|search|split';
const WORD = /[A-Za-z0-9_$]/;

/** The same text with strings, comments and regular expressions blanked, line for line and column for column. */
export function blankLiterals(source: string): string {
  const out: string[] = [];
  let last = ''; // the last character that was code
  let lastWord = '';
  for (let i = 0; i < source.length;) {
    const end = literalEnd(source, i, last, lastWord);
    if (end > i) {
      out.push(source.slice(i, end).replace(/[^\n]/g, ' '));
      if (source[i] !== '/' || (source[i + 1] !== '/' && source[i + 1] !== '*')) last = '"';
      i = end;
      continue;
    }
    const character = source[i++];
    out.push(character);
    if (/\s/.test(character)) continue;
    lastWord = WORD.test(character) ? (WORD.test(source[i - 2] ?? '') ? lastWord : '') + character : '';
    last = character;
  }
  return out.join('');
}

/** Where the literal or comment ends that begins at `i`; `i` itself when none does. */
function literalEnd(source: string, i: number, last: string, lastWord: string): number {
  const character = source[i];
  if (character === '"' || character === "'" || character === '`') return quoteEnd(source, i, character);
  if (character !== '/') return i;
  const next = source[i + 1];
  if (next === '/') return indexOr(source, '\n', i);
  if (next === '*') return Math.min(source.length, indexOr(source, '*/', i + 2) + 2);
  // A division stands behind a value; a regular expression does not.
  const value =
    (WORD.test(last) && !/^(return|typeof|case|in|of|await)$/.test(lastWord)) || /[)\]"]/.test(last);
  return value ? i : quoteEnd(source, i, '/');
}

function indexOr(source: string, what: string, from: number): number {
  const at = source.indexOf(what, from);
  return at < 0 ? source.length : at;
}

function quoteEnd(source: string, begin: number, quote: string): number {
  let inClass = false;
  for (let i = begin + 1; i < source.length; i++) {
    const character = source[i];
    if (character === '\\') i++;
    else if (quote === '/' && character === '[') inClass = true;
    else if (quote === '/' && character === ']') inClass = false;
    else if (character === quote && !inClass) return i + 1;
    else if (character === '\n' && quote !== '`') return i;
  }
  return source.length;
}

/** Where the function ends whose parameters, or name, begin at `begin`: at the end of its body or of its expression. */
function functionEnd(code: string, begin: number): number {
  let depth = 0;
  let inBody = false;
  for (let i = begin; i < code.length; i++) {
    const character = code[i];
    if (character === '{' && depth === 0) inBody = true;
    if (character === '(' || character === '[' || character === '{') depth++;
    else if (character === ')' || character === ']' || character === '}') {
      depth--;
      if (depth < 0 || (depth === 0 && inBody && character === '}')) return i;
    } else if ((character === ';' || character === ',') && depth === 0) return i;
  }
  return code.length;
}

/** Where a line begins, counted from 1; -1: there is none. */
function lineBegin(source: string, line: number): number {
  let begin = 0;
  for (let i = 1; i < line; i++) {
    begin = source.indexOf('\n', begin) + 1;
    if (begin === 0) return -1;
  }
  return begin;
}

/** The last line, from 1, of the function that begins in `line`, from 1, at `column`, from 0. */
export function lastLine(source: string, line: number, column: number): number {
  const begin = lineBegin(source, line);
  if (begin < 0) return line;
  const end = functionEnd(blankLiterals(source), begin + column);
  return line + source.slice(begin, end).split('\n').length - 1;
}

/** The one line of the function, from 1, in which `callee` is called by its name; null when there is none or several. */
export function callLine(source: string, line: number, column: number, callee: string): number | null {
  let begin = lineBegin(source, line);
  if (begin < 0) return null;
  const code = blankLiterals(source);
  begin += column;
  const end = functionEnd(code, begin);
  const name = callee.startsWith(REGEXP) ? REGEXP_CALLERS : callee.split('.').at(-1);
  if (name === undefined || !/^[\w$#|]+$/.test(name)) return null;
  const escaped = `(?:${name.replaceAll('$', '\\$')})`;
  const calls = new RegExp(`(?<![\\w$])${escaped}\\s*(?:\\?\\.)?\\s*\\(`, 'g');
  let found: number | null = null;
  let at = line;
  let from = begin;
  for (const { index } of code.slice(0, end).matchAll(calls)) {
    if (index < begin) continue;
    at += code.slice(from, index).split('\n').length - 1;
    from = index;
    if (found !== null && found !== at) return null;
    found = at;
  }
  return found;
}

/** The source of a file; null for what is none, or large, or cannot be read. */
export function readSource(path: string): string | null {
  try {
    if (!path.startsWith('/') || statSync(path).size > SOURCE_BYTES_MAX) return null;
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
