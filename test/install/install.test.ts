// What `npm install` does on machines unlike this one: tools missing, headers missing, a build or a prebuild in place.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const ADDON = 'build/Release/underloop_native.node';
const TOOLS = ['c++', 'make', 'python3'];
const REAL_PATH = process.env['PATH'] ?? '';

/** A small addon in place of the real one: what is tested here is how it comes to be compiled. */
const SOURCE = `#include <node_api.h>
NAPI_MODULE_INIT() {
  napi_value answer;
  napi_create_uint32(env, 42, &answer);
  return answer;
}
`;

let folder: string;

function file(name: string): string {
  return path.join(folder, name);
}

function write(name: string, text: string, mode = 0o644): string {
  fs.mkdirSync(path.dirname(file(name)), { recursive: true });
  fs.writeFileSync(file(name), text, { mode });
  return file(name);
}

/** A PATH on which there is nothing but node and stand-ins for the tools named. */
function pathWith(...tools: string[]): string {
  for (const tool of tools) write(`bin/${tool}`, '#!/bin/sh\nexit 0\n', 0o755);
  fs.mkdirSync(file('bin'), { recursive: true });
  fs.symlinkSync(process.execPath, file('bin/node'));
  return file('bin');
}

/** A module to be loaded first, which makes the process look like another platform or another Node.js. */
function pretend(what: { platform?: string; node?: string }): string {
  return write(
    'pretend.mjs',
    `const { platform, node } = ${JSON.stringify(what)};
    if (platform) Object.defineProperty(process, 'platform', { value: platform });
    if (node) Object.defineProperty(process, 'versions', { value: { ...process.versions, node } });`,
  );
}

interface Options {
  args?: string[];
  PATH?: string;
  preload?: string;
  env?: Record<string, string>;
}

/** Runs the install script with an environment in which nothing is configured. */
function install({ args = [], PATH = REAL_PATH, preload, env = {} }: Options = {}) {
  const preloads = preload === undefined ? [] : ['--import', preload];
  return spawnSync(process.execPath, [...preloads, file('scripts/install.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH, HOME: os.homedir(), TMPDIR: os.tmpdir(), ...env },
  });
}

function expectRefusal(result: ReturnType<typeof install>, ...texts: string[]): void {
  for (const text of texts) expect(result.stderr).toContain(text);
  expect(result.stderr).not.toMatch(/^\s+at /m);
  expect(result.status).toBe(1);
  expect(result.stdout).toBe('');
}

function expectOneParagraph(result: ReturnType<typeof install>): void {
  expect(result.stderr.trim().split('\n')).toHaveLength(1);
}

beforeEach(() => {
  // The name of a folder may have spaces, which neither gyp nor make would quote.
  folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'underloop install ')));
  for (const name of ['package.json', 'binding.gyp', 'scripts/install.js', 'native/common.gypi']) {
    write(name, fs.readFileSync(path.join(ROOT, name), 'utf8'));
  }
  const sources = JSON.parse(fs.readFileSync(path.join(ROOT, 'native/sources.json'), 'utf8'));
  Object.assign(sources.variables, {
    underloop_sources: ['native/addon.cc'],
    underloop_sources_epoll: [],
    underloop_sources_kqueue: [],
  });
  write('native/sources.json', JSON.stringify(sources));
  write('native/addon.cc', SOURCE);
  fs.symlinkSync(path.join(ROOT, 'node_modules'), file('node_modules'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('an installation that cannot compile', () => {
  const missing = { 'c++': 'no C++ compiler', make: 'make', python3: 'no Python 3.8 or newer' };

  it.each(Object.entries(missing))('says that %s is missing, and what to install', (tool, text) => {
    const result = install({ PATH: pathWith(...TOOLS.filter((name) => name !== tool)) });
    expectRefusal(result, text, 'run npm install again');
    for (const [other, otherText] of Object.entries(missing)) {
      if (other !== tool) expect(result.stderr).not.toContain(`${otherText} (`);
    }
    expectOneParagraph(result);
  });

  it('names all the missing tools at once', () => {
    const result = install({ PATH: pathWith() });
    expectRefusal(result, 'no C++ compiler', 'no make', 'no Python');
    expectOneParagraph(result);
  });

  it('gives the remedy of the platform', () => {
    const PATH = pathWith();
    const linux = install({ PATH, preload: pretend({ platform: 'linux' }) });
    expectRefusal(linux, 'apt-get install g++ make python3', 'dnf install', 'apk add');
    expectRefusal(install({ PATH, preload: pretend({ platform: 'darwin' }) }), 'xcode-select --install');
    expectRefusal(
      install({ PATH, preload: pretend({ platform: 'freebsd' }) }),
      'no gmake',
      'pkg install gmake',
    );
  });

  it('refuses Windows and points to WSL', () => {
    const result = install({ preload: pretend({ platform: 'win32' }) });
    expectRefusal(result, 'does not run on win32', 'wsl --install');
    expectOneParagraph(result);
  });

  it('refuses a Node.js older than 20.19', () => {
    const result = install({ preload: pretend({ node: '20.18.3' }) });
    expectRefusal(result, 'needs Node.js 20.19 or newer', 'this is 20.18.3');
    expectOneParagraph(result);
  });

  it('shows the end of the output when compiling fails', () => {
    write('native/addon.cc', `${'#warning one of many lines\n'.repeat(60)}#error on purpose\n`);
    const result = install();
    expectRefusal(result, 'on purpose', 'could not be compiled', 'C++20');
    expect(result.stderr.trim().split('\n').length).toBeLessThanOrEqual(42);
    expect(fs.existsSync(file(ADDON))).toBe(false);
  });
});

describe('an installation with nothing to do', () => {
  it('leaves a fitting prebuild alone, without any tools', () => {
    expect(install().status).toBe(0);
    const prebuild = file(`prebuilds/${process.platform}-${process.arch}/underloop.node`);
    fs.mkdirSync(path.dirname(prebuild), { recursive: true });
    fs.renameSync(file(ADDON), prebuild);
    fs.rmSync(file('build'), { recursive: true });

    const result = install({ PATH: pathWith() });
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(fs.existsSync(file('build'))).toBe(false);

    // The same file on a processor that cannot run it: compile instead.
    fs.truncateSync(prebuild, 1000);
    expectRefusal(install({ PATH: file('bin') }), 'no C++ compiler');
  });

  it('leaves an up-to-date build alone, and compiles again when a source, the settings or the binary changed', () => {
    expect(install().status).toBe(0);
    const PATH = pathWith();
    expect(install({ PATH })).toMatchObject({ status: 0, stdout: '', stderr: '' });

    const later = new Date(Date.now() + 5000);
    fs.utimesSync(file('native/addon.cc'), later, later);
    expectRefusal(install({ PATH }), 'no C++ compiler');
    fs.utimesSync(file('native/addon.cc'), new Date(0), new Date(0));
    expect(install({ PATH }).status).toBe(0);

    if (process.platform === 'linux') {
      expectRefusal(install({ PATH, env: { UNDERLOOP_KQUEUE_PREFIX: folder } }), 'no C++ compiler');
    }
    fs.truncateSync(file(ADDON), 1000);
    expectRefusal(install({ PATH }), 'no C++ compiler');
  });
});

describe('the search for headers', () => {
  const nowhere = { npm_config_nodedir: '/nonexistent' };

  it('takes the configured folder first', () => {
    write('configured/include/node/node_api.h', '');
    write('configured/include/node/common.gypi', '{}');
    const result = install({ args: ['--print-nodedir'], env: { npm_config_nodedir: file('configured') } });
    expect(result.stdout.trim()).toBe(file('configured'));
  });

  it('compiles with the headers of node-api-headers where no others match', () => {
    const preload = pretend({ node: '20.99.0' });
    const printed = install({ args: ['--print-nodedir'], preload, env: nowhere });
    expect(printed.stdout.trim()).toBe(file('build/headers'));

    const result = install({ preload, env: nowhere });
    expect(result.stderr).toBe('');
    expect(result.stdout.trim()).toMatch(/^underloop: addon compiled in .*build\/headers\/include\/node$/);
    expect(result.stdout.trim().split('\n')).toHaveLength(1);
    expect(fs.readdirSync(file('build/headers/include/node'))).toContain('node_api.h');

    const script = 'console.log(require(process.argv[1]))';
    expect(spawnSync(process.execPath, ['-e', script, file(ADDON)], { encoding: 'utf8' }).stdout).toBe(
      '42\n',
    );
  });

  it('compiles again with --force only what has changed', () => {
    const preload = pretend({ node: '20.99.0' });
    expect(install({ preload, env: nowhere }).status).toBe(0);
    const object = file('build/Release/obj.target/underloop_native/native/addon.o');
    const compiledMs = fs.statSync(object).mtimeMs;
    expect(install({ args: ['--force'], preload, env: nowhere }).status).toBe(0);
    expect(fs.statSync(object).mtimeMs).toBe(compiledMs);

    write('native/addon.cc', SOURCE.replace('42', '43'));
    expect(install({ args: ['--force'], preload, env: nowhere }).status).toBe(0);
    expect(fs.statSync(object).mtimeMs).toBeGreaterThan(compiledMs);
  });
});
