// The types of postgres-scram.js, for tests in TypeScript.

export function scramClient(
  password: string,
  nonce?: string,
  user?: string,
): { first: string; verified: boolean; answer(challenge: string): string; verify(final: string): void };
