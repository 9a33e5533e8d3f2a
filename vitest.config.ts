// How the tests run: each file in a process of its own, so that a crash in the addon is one failed file.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    reporters: [['default', { summary: false }]],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
