// Importing the library: it loads Node's own modules, node-gyp-build and its own files, opens nothing, and its binary asks
// nothing of the runtime but Node-API.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runProgram } from '../lifecycle/child.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const exported = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object }).exports,
);
/** What users may import: `underloop` and its subpaths. */
const specifiers = exported.filter((path) => !path.endsWith('.json')).map((path) => join('underloop', path));

interface Imported {
  names: string[];
  addons: string[];
  opened: number;
  resourcesBefore: string[];
  resources: string[];
}

describe.each(specifiers)('import %s', (specifier) => {
  let coverage = '';
  let imported: Imported;
  /** Every script that was evaluated, ES module or not: V8's coverage lists them all, whoever loaded them. */
  let scripts: string[] = [];

  beforeAll(async () => {
    coverage = mkdtempSync(join(tmpdir(), 'underloop-import-'));
    const { stdout, stderr, code } = await runProgram('import/programs/import.mjs', [specifier], {
      env: { NODE_V8_COVERAGE: coverage },
    });
    expect([code, stderr]).toEqual([0, '']);
    imported = JSON.parse(stdout) as Imported;
    scripts = readdirSync(coverage).flatMap((file) => {
      const { result } = JSON.parse(readFileSync(join(coverage, file), 'utf8')) as {
        result: { url: string }[];
      };
      return result.map(({ url }) => url);
    });
  });
  afterAll(() => rmSync(coverage, { recursive: true }));

  test('gives its names', () => {
    expect(imported.names.length).toBeGreaterThan(0);
  });
  test('loads nothing but builtin modules, node-gyp-build and files of dist/', () => {
    const own = scripts
      .filter((url) => url.startsWith('file:'))
      .map((url) => fileURLToPath(url).slice(root.length));
    expect(own.some((path) => path.startsWith('dist/'))).toBe(true);
    const others = own.filter(
      (path) => !/^(dist|node_modules\/node-gyp-build|test\/import\/programs)\//.test(path),
    );
    expect(others).toEqual([]);
    expect(scripts.filter((url) => !/^(file|node):/.test(url))).toEqual([]);
  });
  test('loads one addon at the most, its own', () => {
    expect(imported.addons.length).toBeLessThanOrEqual(1);
    for (const path of imported.addons)
      expect(path.slice(root.length)).toMatch(/^(build|prebuilds)\/.*\.node$/);
  });
  test('opens no descriptor, and keeps no process alive', () => {
    expect(imported.opened).toBe(0);
    expect(imported.resources).toEqual(imported.resourcesBefore);
  });
});

const hasNm = spawnSync('nm', ['--version']).error === undefined;

describe.skipIf(!hasNm)('the native binary (skipped where binutils’ nm is missing)', () => {
  const load = createRequire(import.meta.url)('node-gyp-build') as { path(directory: string): string };
  let undefinedSymbols: string[] = [];
  beforeAll(() => {
    const flags = process.platform === 'darwin' ? ['-u'] : ['-D', '--undefined-only'];
    const text = execFileSync('nm', [...flags, load.path(root)], { encoding: 'utf8' });
    // "                 U napi_create_array" on ELF, "_napi_create_array" on macOS.
    undefinedSymbols = text
      .split('\n')
      .map((line) => line.trim().split(/\s+/).at(-1)!)
      .filter(Boolean);
  });

  test('imports Node-API', () => {
    expect(undefinedSymbols.some((name) => /^_?napi_/.test(name))).toBe(true);
  });
  test('imports no symbol of libuv, V8 or Node itself, so that it loads in other runtimes', () => {
    const foreign = undefinedSymbols.filter((name) =>
      /^_?(uv_|node_module_register|_ZN2v8|_ZNK2v8|_ZN4node|_ZNK4node)/.test(name),
    );
    expect(foreign).toEqual([]);
  });
});
