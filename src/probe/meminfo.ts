// Readers of the texts in which the kernel accounts for its memory: meminfo, zoneinfo, slabinfo, sockstat.

/** Lines of `Name:   123 kB`, as /proc/meminfo, status and smaps_rollup have them, in bytes; plain counts stay counts. */
export function parseColonLines(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([^:\s]+):\s+(\d+)( kB|)\s*$/.exec(line);
    if (match === null) continue;
    values.set(match[1], Number(match[2]) * (match[3] === '' ? 1 : 1024));
  }
  return values;
}

/**
 * Pages in the per-CPU lists of free pages: free, yet not in MemFree. The kernel lets a CPU keep hundreds of MiB there
 * (`high_max`), so a drop in MemFree alone may be pages that only moved. Null: the text has no pagesets.
 */
export function parsePerCpuFreePages(zoneinfo: string): number | null {
  let pages: number | null = null;
  for (const match of zoneinfo.matchAll(/^\s+count:\s+(\d+)\s*$/gm)) pages = (pages ?? 0) + Number(match[1]);
  return pages;
}

/** One cache of the kernel's slab allocator. */
export interface SlabCache {
  readonly name: string;
  readonly objects: number;
  readonly objectBytes: number;
  /** The pages it holds, its partly filled slabs included: what is missing from free memory. */
  readonly bytes: number;
}

/** /proc/slabinfo, versions 2.0 and 2.1. Null: another form. */
export function parseSlabinfo(text: string, bytesPerPage: number): SlabCache[] | null {
  if (!text.startsWith('slabinfo - version: 2.')) return null;
  const caches: SlabCache[] = [];
  // name active_objs num_objs objsize objperslab pagesperslab : tunables ... : slabdata active_slabs num_slabs shared
  const line =
    /^(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*: tunables.*: slabdata\s+(\d+)\s+(\d+)\s+(\d+)/gm;
  for (const match of text.matchAll(line)) {
    const slabs = Number(match[8]);
    caches.push({
      name: match[1],
      objects: Number(match[2]),
      objectBytes: Number(match[4]),
      bytes: slabs * Number(match[6]) * bytesPerPage,
    });
  }
  return caches;
}

/** What a cache's objects are for. A cache that the kernel has merged with another shows under the other's name. */
export type SlabUse = 'sockets' | 'files' | 'threads' | 'other';

const SLAB_USES: readonly (readonly [SlabUse, RegExp])[] = [
  // The protocols' control blocks, their half-open and closing forms, inodes, and packets' heads.
  [
    'sockets',
    /^(MP)?(TCP|UDP|UDP-Lite|RAW|UNIX|PING)(v6)?$|^(request_sock|tw_sock)_|^sock_inode_cache$|^skbuff_/,
  ],
  // What every open descriptor has, sockets' included, and the items of epoll sets.
  ['files', /^b?filp$|^dentry$|^eventpoll_|^ep_head$|^files_cache$/],
  [
    'threads',
    /^(task_struct|signal_cache|sighand_cache|pid|pid_\d+|cred_jar|vm_area_struct|vma_lock|anon_vma(_chain)?|mm_struct|maple_node|task_delay_info|vmap_area|thread_stack)$/,
  ],
];

export function slabUse(name: string): SlabUse {
  return SLAB_USES.find(([, pattern]) => pattern.test(name))?.[0] ?? 'other';
}

/** /proc/net/sockstat or sockstat6: `TCP: inuse 1 orphan 0 ...` as `TCP inuse` and so on. */
export function parseSockstat(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const fields = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/);
    for (let at = 0; at + 1 < fields.length; at += 2) {
      const value = Number(fields[at + 1]);
      if (Number.isInteger(value)) values.set(`${line.slice(0, colon)} ${fields[at]}`, value);
    }
  }
  return values;
}
