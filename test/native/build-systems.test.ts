// CMake and node-gyp compile the same files with the same defines and flags: those of native/sources.json, and no others.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'underloop-build-systems-'));
const has = (command: string): Promise<boolean> =>
  run(command, ['--version']).then(
    () => true,
    () => false,
  );
const hasCMake = await has('cmake');

const { variables: manifest } = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8')) as {
  variables: Record<
    | 'underloop_sources'
    | 'underloop_sources_epoll'
    | 'underloop_sources_kqueue'
    | 'underloop_sources_prebuild'
    | 'underloop_defines'
    | 'underloop_cxx_flags',
    string[]
  >;
};

interface Compilation {
  sources: string[];
  defines: string[];
  flags: string[];
}

async function cmake(env: Record<string, string> = {}): Promise<Compilation> {
  const build = mkdtempSync(join(folder, 'cmake-'));
  await run('cmake', ['-S', root, '-B', build, '-DUNDERLOOP_UNIT_TESTS=OFF'], {
    env: { ...process.env, UNDERLOOP_KQUEUE_PREFIX: '', ...env },
  });
  const commands = JSON.parse(readFileSync(join(build, 'compile_commands.json'), 'utf8')) as {
    file: string;
    command: string;
  }[];
  const words = commands[0]!.command.split(' ');
  return {
    sources: commands.map(({ file }) => relative(root, file)),
    defines: words.filter((word) => word.startsWith('-D')).map((word) => word.slice(2)),
    flags: words.filter((word) => /^-([OWf]|std)/.test(word)),
  };
}

const makefile = join(root, 'build', 'underloop_native.target.mk');

/** What gyp made of binding.gyp, in the makefile of the build that is in place. */
function gyp(): Compilation {
  const text = readFileSync(makefile, 'utf8');
  const list = (name: string): string[] =>
    (new RegExp(`^${name} := \\\\\\n((?:.*\\\\\\n)*.*)`, 'm').exec(text)?.[1] ?? '')
      .split('\n')
      .map((line) => line.trim().replace(/ ?\\$/, '').replaceAll("'", ''))
      .filter(Boolean);
  return {
    sources: list('OBJS').map((object) =>
      object.replace(/^\$\(obj\)\.target\/\$\(TARGET\)\/(.*)\.o$/, '$1.cc'),
    ),
    defines: list('DEFS_Release').map((define) => define.replace(/^-D/, '')),
    flags: list('CFLAGS_CC_Release'),
  };
}

const sorted = (names: string[]): string[] => [...names].sort();
const expectedSources = [
  ...manifest.underloop_sources,
  ...(process.platform === 'linux' ? manifest.underloop_sources_epoll : manifest.underloop_sources_kqueue),
];

afterAll(() => rmSync(folder, { recursive: true }));

test('every C++ file below native/ stands in native/sources.json, once', () => {
  const files = readdirSync(join(root, 'native'), { recursive: true }).map(
    (name) => `native/${String(name)}`,
  );
  const listed = [
    ...manifest.underloop_sources,
    ...manifest.underloop_sources_epoll,
    ...manifest.underloop_sources_kqueue,
    ...manifest.underloop_sources_prebuild,
  ];
  expect(sorted(listed)).toEqual(sorted(files.filter((name) => name.endsWith('.cc'))));
});

// A prebuild in place of a build, as after an installation without a compiler, leaves no makefile.
describe.skipIf(!existsSync(makefile))('node-gyp', () => {
  test('compiles what native/sources.json says', () => {
    const { sources, defines, flags } = gyp();
    const kqueue = manifest.underloop_sources_kqueue;
    expect(sorted(sources.filter((name) => !kqueue.includes(name)))).toEqual(sorted(expectedSources));
    expect(defines).toEqual(expect.arrayContaining(manifest.underloop_defines));
    expect(flags.slice(-manifest.underloop_cxx_flags.length)).toEqual(manifest.underloop_cxx_flags);
  });
});

describe.skipIf(!hasCMake)('CMake', () => {
  let plain: Compilation;
  beforeAll(async () => {
    plain = await cmake();
  });

  test('compiles what native/sources.json says', () => {
    expect(sorted(plain.sources)).toEqual(sorted(expectedSources));
    for (const define of manifest.underloop_defines) expect(plain.defines).toContain(define);
    expect(plain.flags.slice(-manifest.underloop_cxx_flags.length)).toEqual(manifest.underloop_cxx_flags);
  });

  test.skipIf(process.platform !== 'linux')(
    'adds the kqueue poller where UNDERLOOP_KQUEUE_PREFIX says so',
    async () => {
      const { sources, defines } = await cmake({ UNDERLOOP_KQUEUE_PREFIX: folder });
      expect(sorted(sources)).toEqual(sorted([...expectedSources, ...manifest.underloop_sources_kqueue]));
      expect(defines).toContain('UNDERLOOP_HAVE_KQUEUE');
      expect(plain.defines).not.toContain('UNDERLOOP_HAVE_KQUEUE');
    },
  );
});
