// Each scenario is played, and what it says was shown is checked against what its program did.

import { readFileSync, readdirSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type * as scenariosModule from '../../src/step/scenarios/index.js';

const { runScenario, scenarioNames, describeScenario } = (await import(
  new URL('../../dist/step/scenarios/index.js', import.meta.url).href
)) as typeof scenariosModule;

type Played = Awaited<ReturnType<typeof play>>;

async function play(
  name: string,
  options: { json?: boolean; input?: NodeJS.ReadableStream; heard?: (said: string) => void } = {},
) {
  let said = '';
  const output = new Writable({
    write(chunk, _encoding, done) {
      said += String(chunk);
      done();
      options.heard?.(said);
    },
  });
  const { json = false, input = null } = options;
  const beganMs = performance.now();
  const ending = await runScenario(name, { json, input, output, signal: AbortSignal.timeout(20_000) });
  return { ...ending, said, tookMs: performance.now() - beganMs };
}

const programs = fileURLToPath(new URL('../../dist/step/scenarios/programs/', import.meta.url));

/** Processes of a scenario that have not ended soon after it has. Those that a program has started end when it does. */
async function leftBehind(): Promise<string[]> {
  for (let looks = 0; ; looks++) {
    const left = readdirSync('/proc').flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes(programs) ? [command] : [];
      } catch {
        return [];
      }
    });
    if (left.length === 0 || looks === 40) return left;
    await sleep(50);
  }
}

const documentation = readFileSync(new URL('../../docs/step-scenarios.md', import.meta.url), 'utf8');

function essence(text: string): string {
  return text
    .replaceAll(/\d+/g, 'N')
    .replaceAll(/[\s>]+/g, ' ')
    .trim();
}

/** What each claims, in figures. */
const claims: Record<string, (played: Played) => void> = {
  'level-vs-edge': ({ figures }) =>
    expect(figures).toEqual({ levelCalls: 5, edgeCalls: 2, leftLevelBytes: 0, leftEdgeBytes: 3 }),
  'partial-write': ({ figures }) => {
    const { askedBytes, takenBytes, sentBytes, receivedBytes, partialSends } = figures as Record<
      string,
      number
    >;
    expect([askedBytes, sentBytes, receivedBytes]).toEqual([131_072, 131_072, 131_072]);
    expect(takenBytes).toBeLessThan(askedBytes!);
    expect(partialSends).toBeGreaterThan(0);
  },
  'half-close': ({ figures }) =>
    expect(figures).toEqual({ answeredBytes: 10, receivedBytes: 10, receivedAfterCloseBytes: 0 }),
  'stale-event': ({ figures }) => {
    expect(figures).toMatchObject({ dropped: 1, misdelivered: 0, newcomerCalls: 1 });
    expect(figures['newFd']).toBe(figures['fd']);
  },
  'thundering-herd': ({ figures }) => {
    const { connections, wakes, wakesInVain, exclusiveConnections, exclusiveWakes } = figures as Record<
      string,
      number
    >;
    expect([connections, exclusiveConnections]).toEqual([3, 3]);
    expect(wakes! - wakesInVain!).toBe(3);
    expect(wakes).toBeGreaterThan(exclusiveWakes!);
  },
  starvation: ({ figures }) =>
    expect(figures).toEqual({
      greedyReadsBefore: 101,
      boundedReadsBefore: 16,
      greedyBytes: 102_400,
      boundedBytes: 102_400,
      greedyCalls: 1,
      boundedCalls: 7,
    }),
  'blocked-loop': ({ figures }) => {
    expect(figures['blockingHandlerMs']).toBeGreaterThan(599);
    expect(figures['blockingTimerLateMs']).toBeGreaterThan(500);
    expect(figures['blockingMainThread']).toMatch(/^futex/);
    expect(figures['workerHandlerMs']).toBeLessThan(figures['blockingHandlerMs'] as number);
  },
  'regular-file': ({ figures }) => {
    const { length } = readFileSync(`${programs}regular-file.js`);
    expect(figures).toEqual({ refused: true, socketTaken: true, bytes: length });
  },
};

describe.runIf(process.platform === 'linux')('the scenario', () => {
  test.each(scenarioNames)(
    '%s shows what it is about, in under 10 s, and leaves no process behind',
    async (name) => {
      const played = await play(name);
      expect(played.shown, played.said).toBe(true);
      claims[name]!(played);
      expect(played.code).toBe(0);
      expect(played.tookMs).toBeLessThan(10_000);
      expect(await leftBehind()).toEqual([]);
      // The last paragraph is the text that programs get.
      const words = played.said.split('== What was shown\n')[1]!.replaceAll(/\s+/g, ' ');
      expect(words.trim()).toBe(played.text);
      // What docs/step-scenarios.md says was shown is what was shown, but for the numbers.
      expect(essence(documentation)).toContain(essence(played.text));
      expect(documentation).toContain(`## ${name}: ${describeScenario(name).title}`);
      // Before each command somebody is told what to look at.
      const looks = played.said.match(/^-- .*\n>> /gm)?.length;
      expect(looks).toBe(played.said.match(/^>> /gm)?.length);
      expect(looks).toBeGreaterThan(1);
    },
  );
});

describe('a scenario', () => {
  test('is JSON for machines, line by line, with the figures at the end', async () => {
    const { said, figures } = await play('stale-event', { json: true });
    const objects = said
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(objects[0]).toMatchObject({
      type: 'scenario',
      name: 'stale-event',
      ...describeScenario('stale-event'),
    });
    expect(objects.at(-1)).toMatchObject({ type: 'shown', shown: true, figures });
    const types = new Set(objects.map(({ type }) => type));
    expect([...types]).toEqual(expect.arrayContaining(['start', 'look', 'command', 'held', 'seen', 'ended']));
  });
  test('waits for Enter before each command where somebody sits, and q ends it', async () => {
    const input = new PassThrough();
    const asked = (said: string): number => said.split('(Enter)').length - 1;
    const counts: [asked: number, commands: number][] = [];
    const played = await play('level-vs-edge', {
      input,
      heard(said) {
        if (asked(said) === counts.length) return;
        counts.push([asked(said), said.split('>> ').length - 1]);
        input.write(asked(said) === 3 ? 'q\n' : '\n');
      },
    });
    // When it asked, no more commands had been given than Enter was pressed before.
    expect(counts).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
    expect([played.shown, played.text]).toEqual([false, '']);
    expect(played.said.split('>> ').length - 1).toBe(2);
    expect(await leftBehind()).toEqual([]);
  });
  test('goes on without waiting when its input has ended', async () => {
    const input = new PassThrough();
    input.end('\n');
    expect((await play('regular-file', { input })).shown).toBe(true);
  });
  test('that there is not is refused with the names that there are', async () => {
    await expect(play('nothing')).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(play('toString')).rejects.toThrow(/level-vs-edge, partial-write/);
    expect(() => describeScenario('nothing')).toThrow(/scenario must be one of/);
  });
});
