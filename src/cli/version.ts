// The version of the package, from its manifest.

import { readFileSync } from 'node:fs';

const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
export const { version: packageVersion } = JSON.parse(manifest) as { version: string };
