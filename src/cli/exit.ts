// Exit codes, and how the interrupt keys end a command.

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/**
 * A signal that Ctrl-C or SIGTERM aborts. The first asks for an orderly end; a second one ends this process at once, and
 * its children's lifelines end them.
 */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.interrupted);
      controller.abort();
    });
  }
  return controller.signal;
}
