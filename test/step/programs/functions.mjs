// Prints where the source finder finds functions of every kind, and where they are.
import { SourceFinder } from '../../../dist/step/source.js';

function plain() {} // 4
class Kind {
  method() {} // 6
  static async still() {} // 7
  get value() {
    return 1;
  }
}
const arrow = () => {}; // 12
async function later() {} // 13
const bound = plain.bind(null);
const twice = new Kind().method.bind(1).bind(2);
const finder = new SourceFinder();
const subjects = { plain, method: new Kind().method, still: Kind.still, arrow, later, bound, twice };
const lines = {};
for (const [name, subject] of Object.entries(subjects)) {
  const found = finder.find(subject);
  lines[name] = found === null ? null : [found.path.split('/').at(-1), found.line];
}
for (const [name, subject] of Object.entries({
  native: Math.max,
  boundNative: Math.max.bind(null),
  evaluated: new Function('return 1'),
  number: 1,
  object: {},
  nothing: null,
})) {
  lines[name] = finder.find(subject);
}
lines.again = finder.find(plain) === finder.find(plain);
lines.class = finder.find(Kind)?.line;
finder.close();
console.log(JSON.stringify(lines));
