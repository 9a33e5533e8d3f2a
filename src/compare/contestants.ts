// What `--models` may name, and what each name starts.

import { argumentError } from '../errors.js';
import { findModel, modelNames } from '../models/models.js';
import type { CompareSettings, Contestant } from './report.js';

/** `threads` with one request per connection: each request has a thread made for it. */
export const THREAD_PER_REQUEST = 'thread-per-request';

/** Every name that may be compared, in the order of the registry. */
export const contestantNames: readonly string[] = modelNames.flatMap((name) =>
  name === 'threads' ? [name, THREAD_PER_REQUEST] : [name],
);

/**
 * The contestants of these names. A name given twice takes part twice (`epoll`, `epoll#2`): an A/A comparison, which
 * shows what chance alone does. Throws ERR_ARGUMENT for a name that is not known.
 */
export function makeContestants(names: readonly string[]): Contestant[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    if (!contestantNames.includes(name)) {
      throw argumentError('--models', `names out of ${contestantNames.join(', ')}`, name);
    }
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    const perRequest = name === THREAD_PER_REQUEST;
    const model = findModel(perRequest ? 'threads' : name);
    return {
      label: count === 1 ? name : `${name}#${count}`,
      model: model.name,
      requestsPerConnection: perRequest ? 1 : 0,
      summary: perRequest ? 'one blocking thread per request: each connection makes one' : model.summary,
    };
  });
}

/** Why a contestant cannot run here; null when it can. */
export function whyUnavailable(contestant: Contestant): string | null {
  return findModel(contestant.model).unavailable();
}

/** Models that serve on all cores, the client's among them: they are not pinned. */
export function servesOnAllCores({ model }: Contestant): boolean {
  return model === 'reactors' || model === 'reactor-processes';
}

/** The arguments of dist/models/serve.js. */
export function serverArguments(
  contestant: Contestant,
  settings: CompareSettings,
  upstreamPort: number,
): string[] {
  const args = ['--model', contestant.model, '--port', '0', '--upstream', String(upstreamPort)];
  if (contestant.requestsPerConnection > 0) {
    args.push('--requests-per-connection', String(contestant.requestsPerConnection));
  }
  if (['pool', 'executor'].includes(contestant.model)) args.push('--threads', String(settings.poolThreads));
  if (settings.stackKib !== null) args.push('--stack-kib', String(settings.stackKib));
  return args;
}
