// What certificate.js exports, for TypeScript.

export const certificate: { key: string; cert: string };
