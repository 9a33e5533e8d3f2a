// Timeouts of the public Poller in real time: interrupted by signals, shorter than a millisecond, on kernels without the
// finer call. Never early, whatever happens; late only as the machine is busy, and no test depends on how busy.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { READABLE, descriptors, nativeKernel } from '../../src/index.js';
import { kinds, newPoller, opens, runChild, startChild } from './tools.js';

describe.each(kinds)('%s', (kind) => {
  test('EINTR with the deadline recomputed: signals neither end a wait nor lengthen it', async () => {
    const TIMEOUT_MS = 300;
    // A wait that begins anew at each signal lasts as long as they come. They come much longer than the wait should.
    const signalsEndMs = performance.now() + 8_000;
    const child = startChild('wait-under-signals.js', [kind, String(TIMEOUT_MS)]);
    expect(await child.line()).toBe('waiting');
    let isDone = false;
    const report = child.line().then((line) => {
      isDone = true;
      return line;
    });
    while (!isDone && performance.now() < signalsEndMs) {
      child.process.kill('SIGUSR2');
      await delay(2);
    }
    expect(isDone).toBe(true);
    const { count, waitedMs, signals } = JSON.parse((await report)!) as Record<string, number>;
    expect(count).toBe(0);
    expect(waitedMs).toBeGreaterThanOrEqual(TIMEOUT_MS);
    expect(signals).toBeGreaterThan(5);
    expect((await child.end).code).toBe(0);
  });

  test('sub-millisecond timeouts neither early nor spinning', () => {
    const TIMEOUT_MS = 0.3;
    const TRIALS = 1000;
    const poller = newPoller(kind);
    poller.add(opens(descriptors.pipe())[0]!, READABLE);
    const events = new Int32Array(3);
    const waitedMs = new Float64Array(TRIALS);
    const cpuStart = process.cpuUsage();
    const startMs = nativeKernel.now();
    for (let i = 0; i < TRIALS; i++) {
      const beforeMs = nativeKernel.now();
      if (poller.wait(events, TIMEOUT_MS) !== 0) throw new Error('nothing can be ready');
      waitedMs[i] = nativeKernel.now() - beforeMs;
    }
    const wallMs = nativeKernel.now() - startMs;
    const { user, system } = process.cpuUsage(cpuStart);
    expect(Math.min(...waitedMs)).toBeGreaterThanOrEqual(TIMEOUT_MS);
    // Rounding up to whole milliseconds would make all of them late; a busy machine makes only some.
    if (poller.capabilities.resolutionMs < 0.1) expect(Math.min(...waitedMs)).toBeLessThan(1);
    // A wait that asks again and again until the time is over would use all of it.
    expect((user + system) / 1000).toBeLessThan(wallMs / 2);
  });

  test('timeouts of odd length are never early', () => {
    const poller = newPoller(kind);
    const events = new Int32Array(3);
    for (const timeoutMs of [1e-9, 1e-6, 0.001, 0.0999, 0.9999999, 1, 1.0000001, 2.5, 9.999]) {
      const startMs = nativeKernel.now();
      expect(poller.wait(events, timeoutMs)).toBe(0);
      expect(nativeKernel.now() - startMs).toBeGreaterThanOrEqual(timeoutMs);
    }
  });
});

/** Why strace cannot be used here; undefined when it can. */
function straceRefusal(): string | undefined {
  const { error, status, stderr } = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true'], {
    encoding: 'utf8',
  });
  if (error) return `strace, which makes the call fail, is not there: ${error.message}`;
  return status === 0 ? undefined : `strace may not trace here: ${stderr.trim()}`;
}

describe.runIf(kinds.includes('epoll'))('epoll without epoll_pwait2', () => {
  // ENOSYS: a kernel before 5.11. EPERM: the seccomp filter of a container that does not know the call.
  test.for(['ENOSYS', 'EPERM'])(
    'latched %s fallback: asked once, then whole milliseconds, never early',
    async (code, { skip }) => {
      const refusal = straceRefusal();
      if (refusal !== undefined) return skip(refusal);
      const folder = mkdtempSync(join(tmpdir(), 'underloop-strace-'));
      try {
        const log = join(folder, 'strace.log');
        const TRIALS = 10;
        const prefix = ['strace', '-f', '-qq', '-o', log, '-e', 'trace=epoll_pwait2,epoll_wait'];
        prefix.push('-e', `inject=epoll_pwait2:error=${code}`);
        const [line] = await runChild('short-waits.js', ['epoll', '1.5', String(TRIALS)], prefix);
        const { waitedMs, resolutionMs } = JSON.parse(line!) as { waitedMs: number[]; resolutionMs: number };
        expect(resolutionMs).toBe(1);
        expect(waitedMs).toHaveLength(TRIALS);
        expect(Math.min(...waitedMs)).toBeGreaterThanOrEqual(1.5);
        const calls = readFileSync(log, 'utf8');
        expect(calls.match(/epoll_pwait2\(.*INJECTED/g)).toHaveLength(1);
        expect(calls.match(/epoll_pwait2\(/g)).toHaveLength(1);
        // Rounded up: 1 would be early, 0 would spin.
        expect(calls.match(/epoll_wait\(.*, 2\)? /g)).toHaveLength(TRIALS);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
