// The types of resp.js, for tests in TypeScript.

export class RedisError extends Error {}
export type Answer = string | number | null | RedisError | Answer[];
export function encodeCommand(parts: readonly (string | number | Uint8Array)[]): Buffer;
export class Decoder {
  feed(bytes: Uint8Array): void;
  next(): { value: Answer } | null;
}
