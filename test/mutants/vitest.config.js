// How the tests run on a mutant: as always, but each test is noted as it begins and ends, and no cache is written.
import { mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

export default mergeConfig(base, {
  cacheDir: '.vite',
  test: { setupFiles: ['test/mutants/note.js'] },
});
