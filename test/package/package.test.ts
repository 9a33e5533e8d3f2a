// The package as others get it: packed, installed in an empty project where nothing can be compiled, compiled against and run.

import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, install, type Project } from './installed.js';

const run = promisify(execFile);
const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  main: string;
  types: string;
  exports: Record<string, string | Record<string, string>>;
  bin: Record<string, string>;
};

let project: Project;
beforeAll(async () => {
  project = await install();
}, 240_000);
afterAll(() => fs.rmSync(project.folder, { recursive: true, force: true }));

/** A development dependency's command. */
function tool(name: string, ...args: string[]): Promise<{ stdout: string }> {
  const program = fs.realpathSync(path.join(ROOT, 'node_modules/.bin', name));
  return run(process.execPath, [program, ...args], { cwd: project.folder, timeout: 60_000 });
}

describe('what is packed', () => {
  const paths = (): string[] => project.packed.files.map((file) => file.path);

  test('holds what the manifest refers to', () => {
    const referred = Object.values(manifest.exports).flatMap((one) =>
      typeof one === 'string' ? [one] : Object.values(one),
    );
    for (const file of [manifest.main, manifest.types, ...referred, ...Object.values(manifest.bin)])
      expect(paths()).toContain(path.posix.normalize(file));
  });
  test('holds what is needed to compile it elsewhere, and to read it', () => {
    for (const file of ['binding.gyp', 'native/sources.json', 'native/addon.cc', 'scripts/install.js'])
      expect(paths()).toContain(file);
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'docs/turn.md', 'src/index.ts'])
      expect(paths()).toContain(file);
  });
  test('holds nothing else: no tests, no builds, no tools, nothing of this machine', () => {
    const wanted =
      /^(dist\/.*\.(js|d\.ts)(\.map)?|src\/.*\.ts|native\/.*\.(cc|h|json|gypi)|examples\/.*\.(js|d\.ts)|docs\/[\w-]+\.md|prebuilds\/[\w-]+\/underloop\.(glibc|musl)\.node|prebuilds\/darwin-[\w+]+\/underloop\.node|scripts\/install\.js|binding\.gyp|package\.json|LICENSE|(README|CHANGELOG|ARCHITECTURE|CONTRIBUTING)\.md)$/;
    expect(paths().filter((file) => !wanted.test(file))).toEqual([]);
    // Of every module the source, as the maps say.
    const modules = paths().filter((file) => file.startsWith('src/')).length;
    expect(paths().filter((file) => /^dist\/.*\.js$/.test(file))).toHaveLength(modules);
  });
  test('links of its documents lead to files that it holds', () => {
    const missing = paths()
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) => {
        const text = fs.readFileSync(path.join(ROOT, file), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
        const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)/g)].map(([, link]) => link!);
        return links
          .map((link) => path.posix.normalize(path.posix.join(path.posix.dirname(file), link)))
          .filter((target) => !/^(test|bench|\.github|\.ci|scripts)\b/.test(target)) // of the repository only
          .filter(
            (target) => !paths().some((one) => one === target || one.startsWith(target.replace(/\/?$/, '/'))),
          )
          .map((target) => `${file} -> ${target}`);
      });
    expect(missing).toEqual([]);
  });
  test('publint finds nothing', async () => {
    const { stdout } = await tool('publint', 'run', project.tarball, '--strict');
    expect(stdout).toContain('All good!');
  });
  test('are the types wrong? They are not, for ES modules', async () => {
    await tool('attw', project.tarball, '--profile', 'esm-only', '--no-color');
  });
});

describe('installed without a compiler', () => {
  test('nothing that compiles is on the PATH, and nothing was compiled', () => {
    for (const name of ['gcc', 'g++', 'cc', 'c++', 'clang', 'make', 'python3', 'python']) {
      const found = spawnSync('sh', ['-c', `command -v ${name}`], { env: project.env, encoding: 'utf8' });
      expect(found.stdout).toBe('');
    }
    expect(fs.existsSync(path.join(project.installed, 'build'))).toBe(false);
  });

  test('the echo example runs and echoes', async () => {
    const program = path.join(project.installed, 'examples/echo-reactor.js');
    const child = spawn('node', [program, '--port', '0', '--json', '--quiet'], {
      cwd: project.folder,
      env: project.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
      const { port } = JSON.parse(value as string) as { port: number };
      if (process.platform === 'linux') {
        const maps = fs.readFileSync(`/proc/${String(child.pid)}/maps`, 'utf8');
        const addons = new Set([...maps.matchAll(/\S+\.node$/gm)].map(([file]) => file));
        const [addon] = [...addons];
        expect([addons.size, addon?.startsWith(path.join(project.installed, 'prebuilds/'))]).toEqual([
          1,
          true,
        ]);
      }
      const socket = net.connect(port, '127.0.0.1');
      socket.end('over a socket\n');
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).toBe('over a socket\n');
      expect(await ended(child, 'SIGINT')).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('the command runs', async () => {
    const command = path.join(project.folder, 'node_modules/.bin/underloop');
    const { stdout } = await run(command, ['--help'], { cwd: project.folder, env: project.env });
    expect(stdout).toContain('Usage: underloop');
  });

  test.each(Object.keys(manifest.exports))('%s can be imported', async (subpath) => {
    const specifier = path.posix.join('underloop', subpath);
    const attributes = specifier.endsWith('.json') ? ", { with: { type: 'json' } }" : '';
    const code = `console.log(Object.keys(await import('${specifier}'${attributes})).length > 0)`;
    const args = ['--input-type=module', '--no-warnings', '-e', code];
    const { stdout, stderr } = await run('node', args, { cwd: project.folder, env: project.env });
    expect([stdout, stderr]).toEqual(['true\n', '']);
  });
});

describe('types in a project of somebody else’s', () => {
  beforeAll(() => {
    const modules = path.join(project.folder, 'node_modules');
    fs.mkdirSync(path.join(modules, '@types'), { recursive: true });
    for (const name of ['typescript', '@types/node'])
      fs.symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name));
    const consumer = path.join(import.meta.dirname, 'consumer/program.mts');
    fs.copyFileSync(consumer, path.join(project.folder, 'program.mts'));
  });

  function compile(options: object): Promise<{ stdout: string }> {
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noImplicitOverride: true,
      skipLibCheck: false,
      ...options,
    };
    const config = path.join(project.folder, 'tsconfig.json');
    fs.writeFileSync(config, JSON.stringify({ compilerOptions, files: ['program.mts'] }));
    return tool('tsc', '-p', config).catch((error: { stdout: string }) => {
      throw new Error(error.stdout);
    });
  }

  test('hold with moduleResolution nodenext, and what was compiled runs', async () => {
    await compile({ module: 'nodenext', moduleResolution: 'nodenext' });
    const { stdout } = await run('node', ['program.mjs'], { cwd: project.folder, env: project.env });
    expect(JSON.parse(stdout)).toEqual({
      reply: 'echo',
      code: 'ERR_ARGUMENT',
      registered: true,
      timerPending: false,
      watchClosed: true,
      kernel: 'native',
      nestable: true,
      turned: true,
      functions: true,
      isError: true,
    });
  }, 60_000);
  test('hold with moduleResolution bundler', async () => {
    await compile({ module: 'esnext', moduleResolution: 'bundler', noEmit: true });
  }, 60_000);
});

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown[]> {
  const exited = once(child, 'exit');
  child.kill(signal);
  return exited;
}
