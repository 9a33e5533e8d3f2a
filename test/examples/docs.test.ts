// The documentation is true: its snippets run and print what it says, and what it names exists.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { connect } from 'node:net';
import * as path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8');
const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...fs
    .readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Runs a module that imports 'underloop' as programs do. Gives all that it printed, and its exit status. */
async function run(code: string): Promise<{ output: string; errors: string; status: unknown }> {
  // From the root, the package's own name leads to dist/.
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { cwd: root });
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { output, errors, status };
}

interface Snippet {
  name: string;
  code: string;
  expected: string | undefined;
}
/** ```js runnable, and the ```text block that may follow it with what it prints. */
function snippetsOf(document: string): Snippet[] {
  const pattern = /^```js runnable\n([^]*?)^```\n(?:\n```text\n([^]*?)^```\n)?/gm;
  return [...read(document).matchAll(pattern)].map((match, i) => ({
    name: `${document}, snippet ${i + 1}`,
    code: match[1]!,
    expected: match[2],
  }));
}
const snippets = documents.flatMap(snippetsOf);

describe('snippets', () => {
  // Some of them use what only Linux has (inotify, timerfd).
  test.runIf(process.platform === 'linux').each(snippets)(
    '$name runs, and prints what stands below it',
    async ({ code, expected }) => {
      expect(await run(code)).toEqual({ output: expected ?? '', errors: '', status: 0 });
    },
  );

  test('there are some in the README and in each guide, and no JavaScript that is not run', () => {
    for (const document of ['README.md', 'docs/turn.md', 'docs/handlers.md', 'docs/any-fd.md']) {
      expect(snippetsOf(document).length, document).toBeGreaterThan(0);
    }
    for (const document of documents) {
      const blocks = [...read(document).matchAll(/^```(?:js|javascript|ts|typescript)\b.*$/gm)].map(
        ([line]) => line,
      );
      expect(blocks, document).toEqual(blocks.map(() => '```js runnable'));
    }
  });
});

test.each(documents)('every file that %s links to exists, with the heading that it names', (document) => {
  const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
  for (const [, file = '', heading] of links) {
    const target = file === '' ? document : path.join(path.dirname(document), file);
    expect(fs.existsSync(path.join(root, target)), `${document} links to ${target}`).toBe(true);
    if (heading === undefined) continue;
    const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    expect(headings, `${document} links to ${target}#${heading}`).toContain(heading);
  }
});

test('every guide is linked from the README or from ARCHITECTURE.md', () => {
  const index = read('README.md') + read('ARCHITECTURE.md');
  const missing = documents.filter((name) => name.startsWith('docs/') && !index.includes(`](${name}`));
  expect(missing).toEqual([]);
});

describe('docs/turn.md', () => {
  const document = read('docs/turn.md');
  const guards = [...document.matchAll(/^\| (\d\.\d+) +\| (\S+\.test\.ts): "(.*)" +\|$/gm)].map((match) => ({
    rule: match[1]!,
    file: match[2]!,
    name: match[3]!,
  }));

  test('every rule has a test that guards it, and every guard a rule', () => {
    const rules = [...document.matchAll(/^- \*\*(\d\.\d+)\*\* /gm)].map((match) => match[1]!);
    expect(rules.length).toBeGreaterThan(20);
    expect(guards.map(({ rule }) => rule)).toEqual(rules);
  });

  test.each(guards)('the test that guards rule $rule exists', ({ file, name }) => {
    expect(read(`test/${file}`)).toContain(`'${name}'`);
  });

  test('the bounds are those of the source', () => {
    const sources = fs
      .readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => read(`src/${name}`));
    const rows = [...document.matchAll(/^\| `([A-Z_]+)` +\| ([\d,]+) ?(KiB|MiB)?/gm)];
    expect(rows.length).toBeGreaterThan(8);
    for (const [, name, value, unit] of rows) {
      const told = Number(value!.replace(',', '')) * ({ KiB: 1024, MiB: 1024 * 1024 }[unit ?? ''] ?? 1);
      const [, expression] = new RegExp(`const ${name!} = ([\\d_ *]+);`).exec(sources.join('\n')) ?? [];
      const factors = expression?.replaceAll('_', '').split('*').map(Number) ?? [NaN];
      expect({ name, value: factors.reduce((a, b) => a * b) }).toEqual({ name, value: told });
    }
  });
});

test('the transcript in the README is what the example prints, but for the numbers', async () => {
  const transcript = /^\$ node examples\/echo-reactor\.js\n([^]*?)^```/m.exec(read('README.md'))![1]!;
  // Which turns are folded, and how long waits last, differs from run to run. What is done for the client does not.
  const essence = (output: string): string[] =>
    output
      .split('\n')
      .filter((line) => /→|in the set\)|runs the|^[A-Z]|^ {4}nc/.test(line))
      .map((line) =>
        line
          .replaceAll(/\d+/g, 'N')
          .replace(/^(start|end|turn N|between) +/, '')
          .trim(),
      );

  const child = spawn(process.execPath, [
    path.join(root, 'examples/echo-reactor.js'),
    '--port',
    '0',
    '--no-color',
  ]);
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk));
  const printedAll = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const match = pattern.exec(printed);
      if (match !== null) return match[1]!;
      await once(child.stdout, 'data');
    }
  };
  try {
    const client = connect(Number(await printedAll(/nc 127\.0\.0\.1 (\d+)/)), '127.0.0.1');
    client.write('hello\n');
    await once(client, 'data');
    client.end();
    await printedAll(/runs the (close callback)/);
    child.kill('SIGINT');
    await once(child, 'close');
  } finally {
    child.kill('SIGKILL');
  }
  expect(essence(transcript)).toEqual(essence(printed));
});
