// What a heap has gained between two snapshots of it, by classes of objects.

import { readFileSync } from 'node:fs';

/** What has gained less than this for each connection is not the connections': code and caches change as well. */
const BYTES_MIN = 1;

/** Objects and their bytes by class. @param {string} file As v8.writeHeapSnapshot() writes it. */
function classesIn(file) {
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(file, 'utf8'));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, name, size] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field));
  const classes = new Map();
  for (let i = 0; i < nodes.length; i += fields.length) {
    const kind = types[type][nodes[i + type]];
    // Strings and code are named by their contents.
    const label = kind === 'object' || kind === 'native' ? strings[nodes[i + name]] : `(${kind})`;
    const sum = classes.get(label) ?? { count: 0, bytes: 0 };
    sum.count++;
    sum.bytes += nodes[i + size];
    classes.set(label, sum);
  }
  return classes;
}

/** Classes by the bytes that they have gained, most first. @param {number} connections Gained meanwhile. */
export function growthByClass(fileBefore, fileAfter, connections) {
  const before = classesIn(fileBefore);
  return [...classesIn(fileAfter)]
    .map(([name, { count, bytes }]) => {
      const was = before.get(name) ?? { count: 0, bytes: 0 };
      const gained = bytes - was.bytes;
      return { name, count: count - was.count, bytes: gained, perConnection: gained / connections };
    })
    .filter(({ perConnection }) => perConnection >= BYTES_MIN)
    .sort((a, b) => b.bytes - a.bytes);
}
