// One-line changes of a program, by a seed: another number, another byte, a call left out, two lines swapped, a close added, a pause.

/** A small generator, so that a seed always gives the same change. */
export function seeded(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const isStatement = (line) =>
  /^\s*[\w.]+(\([^{}]*\)|\+\+|\s*[-+]?=\s*[^{}]*);\s*$/.test(line) &&
  !/^\s*(import|const|let|return)\b/.test(line);

const CHANGES = {
  'another number': (lines, at, random) => {
    const numbers = [...lines[at].matchAll(/(?<![\w.$'"/])\d[\d_]*(?![\w.'"])/g)];
    if (numbers.length === 0 || /import|argv/.test(lines[at])) return null;
    const [{ 0: text, index }] = [numbers[random(numbers.length)]];
    const value = Number(text.replaceAll('_', '')) + 1;
    return [lines[at].slice(0, index) + String(value) + lines[at].slice(index + text.length)];
  },
  'a call left out': (lines, at) => (isStatement(lines[at]) ? [] : null),
  'another text': (lines, at) => {
    const changed = lines[at].replace(/(write|log|from)\((['`])/, '$1($2+');
    return changed === lines[at] ? null : [changed];
  },
  'a close added': (lines, at) =>
    /connection\.(write|end|resume)\(/.test(lines[at]) && isStatement(lines[at])
      ? [`${lines[at]} connection.close();`]
      : null,
  'a pause added': (lines, at) =>
    /connection\.(write|resume)\(/.test(lines[at]) && isStatement(lines[at])
      ? [`${lines[at]} connection.pause();`]
      : null,
  'a task added': (lines, at) =>
    isStatement(lines[at]) && !/import/.test(lines[at]) && /reactor\./.test(lines.join())
      ? [`${lines[at]} reactor.post(() => {});`]
      : null,
  'two lines swapped': (lines, at) =>
    isStatement(lines[at]) && at + 1 < lines.length && isStatement(lines[at + 1]) ? 'swap' : null,
};
const NAMES = Object.keys(CHANGES);

/** The source with one line changed; null when this seed finds nothing to change. */
export function changed(source, seed) {
  const random = seeded(seed);
  const lines = source.split('\n');
  for (let tries = 0; tries < 200; tries++) {
    const name = NAMES[random(NAMES.length)];
    const at = random(lines.length);
    const line = CHANGES[name](lines, at, random);
    if (line === null) continue;
    const copy = [...lines];
    if (line === 'swap') [copy[at], copy[at + 1]] = [copy[at + 1], copy[at]];
    else copy.splice(at, 1, ...line);
    const text = copy.join('\n');
    if (text !== source) return { name, line: at + 1, text };
  }
  return null;
}
