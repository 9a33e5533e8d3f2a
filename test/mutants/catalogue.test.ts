// The mutants still fit the source, and docs/hard-problems.md names tests and mutants that exist. That each mutant is
// killed is shown by `npm run test:mutants`, which takes minutes.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, mutants, mutated } from './catalogue.js';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const document = read('docs/hard-problems.md');

describe('mutants', () => {
  test('have names of their own', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });
  test.each(mutants)('$name changes one line of the source as it stands', (mutant) => {
    const [before, after] = [mutated(mutant).before.split('\n'), mutated(mutant).after.split('\n')];
    expect(after).toHaveLength(before.length);
    expect(after.filter((line, i) => line !== before[i])).toHaveLength(1);
    for (const file of Object.keys(mutant.fails))
      expect(existsSync(join(ROOT, 'test', file)), file).toBe(true);
  });
});

describe('docs/hard-problems.md', () => {
  /** Headings begin with a capital letter, unless they begin with a name. */
  const lower = (text: string): string => text.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
  const problems = [...document.matchAll(/^### (.*)$/gm)].map(([, title]) => lower(title!));
  const guards = [...document.matchAll(/^\| (\S.*?) +\| (\S+): "(.*)" +\| (\S.*?) +\|$/gm)].map((match) => ({
    problem: match[1]!,
    file: match[2]!,
    name: match[3]!,
  }));
  const rows = [...document.matchAll(/^\| (\S.*?) +\| (`.*`) +\|$/gm)].map((match) => ({
    problem: match[1]!,
    names: [...match[2]!.matchAll(/`(.*?)`/g)].map(([, name]) => name),
  }));

  test('every problem has tests that guard it, in the order of the problems', () => {
    expect(problems.length).toBeGreaterThan(35);
    expect([...new Set(guards.map(({ problem }) => lower(problem)))]).toEqual(problems);
  });
  test.each(guards)('$problem: its test in $file exists', ({ file, name }) => {
    const text = read(`test/${file}`);
    expect(
      [`'${name}'`, `"${name}"`].some((quoted) => text.includes(quoted)),
      name,
    ).toBe(true);
  });
  test('every problem has mutants: those of the catalogue, and no others', () => {
    expect(rows.map(({ problem }) => lower(problem))).toEqual(problems);
    const byProblem = new Map(problems.map((problem): [string, string[]] => [problem, []]));
    for (const { name, problem } of mutants) byProblem.get(lower(problem))!.push(name);
    expect(rows.map(({ names }) => names)).toEqual([...byProblem.values()]);
  });
});
