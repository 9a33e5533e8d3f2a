// What a compiled addon asks of the machine that loads it, read by readelf or nm: its libraries, the versions of their
// symbols, and that it imports nothing of libuv's, which Node-API runtimes other than Node.js do not have.
import { spawnSync } from 'node:child_process';

/** What Node.js 20's own Linux binaries ask for. An addon that asks for more installs where it cannot load. */
const VERSIONS_MAX = { GLIBC: '2.28', GLIBCXX: '3.4.21', CXXABI: '1.3.9', GCC: '3.4' };

/** Of a musl binary the library's name is all: musl has no versions of symbols. */
const LIBRARIES =
  /^(libc\.so\.6|libstdc\+\+\.so\.6|libgcc_s\.so\.1|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux[\w.-]*|libc\.musl[\w.-]*)$/;

function output(command, args) {
  const { status, stdout, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? `exit code ${status}`}`);
  return stdout;
}

function isNewer(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < a.length; i++) if (a[i] !== (b[i] ?? 0)) return a[i] > (b[i] ?? 0);
  return false;
}

/** Names of imported symbols, on Linux as `name@VERSION` where they have one. */
function importedSymbols(file) {
  if (process.platform === 'darwin') {
    return output('nm', ['-u', file])
      .split('\n')
      .map((line) => line.trim().replace(/^_/, ''))
      .filter(Boolean);
  }
  return output('readelf', ['-W', '--dyn-syms', file])
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[6] === 'UND' && fields[7])
    .map((fields) => fields[7]);
}

/** `complaints` is empty if the binary loads wherever it is meant to. */
export function checkImports(file) {
  const symbols = importedSymbols(file);
  const complaints = symbols
    .filter((name) => name.startsWith('uv_'))
    .map((name) => `${file} imports ${name}`);
  if (process.platform !== 'linux') return { complaints, summary: `${symbols.length} imports` };

  const newest = {};
  for (const symbol of symbols) {
    const [, library, version] = /@([A-Z]+)_([\d.]+)$/.exec(symbol) ?? [];
    if (!library) continue;
    if (!newest[library] || isNewer(version, newest[library])) newest[library] = version;
    const max = VERSIONS_MAX[library] ?? '0';
    if (isNewer(version, max)) {
      complaints.push(
        `${file} imports ${symbol}, newer than ${library}_${max}, which Node.js itself asks for`,
      );
    }
  }
  const libraries = [...output('readelf', ['-d', file]).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(
    ([, name]) => name,
  );
  complaints.push(
    ...libraries.filter((name) => !LIBRARIES.test(name)).map((name) => `${file} needs the library ${name}`),
  );
  const versions = Object.entries(newest).map(([library, version]) => `${library}_${version}`);
  return {
    complaints,
    libraries,
    newest,
    summary: `needs ${[...libraries, ...versions].join(', ')}; no uv_ symbol`,
  };
}
