// Where io_uring is forbidden or lacks something: a sentence that says why, no crash, and every other model as before.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { capabilities, ringKernel, unavailable } from '../../src/uring/kernel.js';
import { openProactor } from '../../src/uring/proactor.js';
import { HANG_MS } from '../lifecycle/child.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

describe.runIf(process.platform === 'linux')('io_uring_setup refused by a seccomp filter', () => {
  let folder = '';
  let launcher = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'underloop-uring-'));
    launcher = join(folder, 'seccomp');
    const { status, stderr } = spawnSync(process.env['CC'] ?? 'cc', ['-o', launcher, path('seccomp.c')], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`no C compiler: ${stderr}`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const { EPERM, ENOSYS, ENOMEM, EINVAL } = constants.errno;
  it.each([
    ['EPERM', EPERM, /forbidden \(EPERM\): a seccomp filter|kernel\.io_uring_disabled is [12]/],
    ['ENOSYS', ENOSYS, /ENOSYS: this kernel has no io_uring, or the seccomp filter/],
    ['ENOMEM', ENOMEM, /ENOMEM: raise the limit of locked memory/],
    ['EINVAL', EINVAL, /io_uring_setup is refused: .*EINVAL/],
  ])('%s is said in a sentence; start() refuses with a code, and epoll serves on', (_, error, sentence) => {
    const program = `
      import { findModel } from ${JSON.stringify(new URL('../../dist/models/models.js', import.meta.url).href)};
      const workload = { upstreamPort: 0, requestsPerConnection: 0 };
      const uring = findModel('uring');
      const refused = await uring.start(workload).catch(({ code, message }) => ({ code, message }));
      const epoll = await findModel('epoll').start(workload);
      const { connections } = epoll.counters();
      await epoll.stop();
      console.log(JSON.stringify({ reason: uring.unavailable(), refused, connections }));`;
    const { status, stdout, stderr } = spawnSync(
      launcher,
      [String(error), process.execPath, '--input-type=module', '-e', program],
      { encoding: 'utf8', timeout: HANG_MS },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { reason, refused, connections } = JSON.parse(stdout) as Record<string, never>;
    expect(reason).toMatch(sentence);
    expect(refused).toEqual({ code: 'ERR_UNSUPPORTED', message: `the model uring: ${String(reason)}` });
    expect(connections).toBe(0);
  });

  it('the server process says it in one line, and ends with 1', () => {
    const { status, stdout, stderr } = spawnSync(
      launcher,
      [String(EPERM), process.execPath, path('../../dist/models/serve.js'), '--model', 'uring'],
      { encoding: 'utf8', timeout: HANG_MS },
    );
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^[^\n]*the model uring: [^\n]*\n$/);
  });
});

describe.skipIf(unavailable() !== null)('what a ring has', () => {
  it('is found by trial, and what is switched off is not used', () => {
    expect(capabilities()).toMatchObject({ multishotAccept: true });
    const found = (options: { multishot?: boolean; deferred?: boolean }): unknown[] => {
      const kernel = ringKernel(options);
      const poller = kernel.openPoller('uring');
      if (typeof poller === 'number') throw new Error(String(poller));
      const { multishotReceive, deferredTaskrun } = kernel.area!.capabilities;
      poller.close();
      return [multishotReceive, deferredTaskrun];
    };
    const { multishotReceive, deferredTaskrun } = capabilities()!;
    expect(found({})).toEqual([multishotReceive, deferredTaskrun]);
    expect(found({ multishot: false })).toEqual([false, deferredTaskrun]);
    expect(found({ deferred: false })).toEqual([multishotReceive, false]);
  });

  it.each([
    [{ buffers: 3 }, 'options.buffers'],
    [{ buffers: 65_536 }, 'options.buffers'],
    [{ bufferBytes: 63 }, 'options.bufferBytes'],
    [{ completionsMax: 1 }, 'options.completionsMax'],
  ])('refuses %j before any system call', (options, name) => {
    expect(() => openProactor(options)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining(name) as string }),
    );
  });
});
