// The sockets of a process's network namespace by inode, each table from the best source that answers.

import type { Known, Reading } from './figure.js';
import { isKnown, known, unavailable } from './figure.js';
import { systemFiles } from './files.js';
import type { EvidenceOptions } from './interest.js';
import { inspectorOf } from './interest.js';
import type { SocketFacts } from './socket-facts.js';
import { PROC_TABLES, parseInetTable, parseUnixTable } from './socket-tables.js';
import { INET_QUERIES, UNIX_QUERY, parseInetDump, parseUnixDump } from './socket-diag.js';

export interface SocketTable {
  /** Only sockets that a process holds; those not accepted yet, or in TIME_WAIT, have no inode. */
  readonly sockets: ReadonlyMap<number, Known<SocketFacts>>;
  /** For each table which source answered, or why none did. A socket that is not found may be in one that did not. */
  readonly sources: Readonly<Record<string, Reading<string>>>;
}

/**
 * The sockets of the network namespace that a process lives in. By sock_diag(7) if it is our own namespace too, for that
 * answers for ours alone; else from /proc/PID/net, which has neither limits nor halves nor TCP's figures.
 */
export function readSocketTable(pid: number, options: EvidenceOptions = {}): SocketTable {
  const { files = systemFiles } = options;
  const inspector = inspectorOf(options);
  const sockets = new Map<number, Known<SocketFacts>>();
  const sources: Record<string, Reading<string>> = {};
  const ownNamespace = sameNamespace(pid, options);
  const fromDiag = (
    request: Uint8Array,
    parse: (reply: Uint8Array) => SocketFacts[] | null,
  ): Reading<string> => {
    if (!isKnown(ownNamespace)) return ownNamespace;
    if (!ownNamespace.value) return unavailable('the process is in another network namespace');
    const reply = inspector.sockDiag(request);
    if (!isKnown(reply)) return reply;
    const list = parse(reply.value);
    if (list === null) return unavailable('sock_diag answered in a form that is not known here');
    for (const facts of list) sockets.set(facts.inode, known(facts, 'sock_diag'));
    return known('sock_diag', reply.source);
  };
  const fromProc = (
    name: string,
    reason: string,
    parse: (text: string) => SocketFacts[] | null,
  ): Reading<string> => {
    const path = `/proc/${pid}/net/${name}`;
    const text = files.text(path);
    if (!isKnown(text)) return unavailable(`${reason}; and ${text.unavailable}`);
    const list = parse(text.value);
    if (list === null) return unavailable(`${reason}; and ${path} has a form that is not known here`);
    for (const facts of list) sockets.set(facts.inode, known(facts, path));
    return known('/proc/PID/net', path);
  };
  for (const { name, protocol, family } of PROC_TABLES) {
    const diag = fromDiag(INET_QUERIES[name], (reply) => parseInetDump(reply, protocol));
    sources[name] = isKnown(diag)
      ? diag
      : fromProc(name, diag.unavailable, (text) => parseInetTable(text, protocol, family));
  }
  const diag = fromDiag(UNIX_QUERY, parseUnixDump);
  sources['unix'] = isKnown(diag) ? diag : fromProc('unix', diag.unavailable, parseUnixTable);
  return { sockets, sources };
}

function sameNamespace(pid: number, { files = systemFiles }: EvidenceOptions): Reading<boolean> {
  // A thread may have left its process's namespace; ours is that of the thread which asks.
  const own = files.link('/proc/thread-self/ns/net');
  if (!isKnown(own)) return own;
  const theirs = files.link(`/proc/${pid}/ns/net`);
  if (!isKnown(theirs)) return theirs;
  return known(own.value === theirs.value, '/proc/PID/ns/net');
}
