// The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677): proves that we know the password, and that the server does.

import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

/** More than any server asks for, and a bound for one that means harm. */
const ITERATIONS_MAX = 10_000_000;

const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const fieldsOf = (text) => new Map(text.split(',').map((field) => [field[0], field.slice(2)]));

/** @param {string} password @param {string} nonce of ours; random unless a test gives one */
export function scramClient(password, nonce = randomBytes(18).toString('base64'), user = '') {
  // No channel binding; Postgres takes the name from the start-up message.
  const bare = `n=${user},r=${nonce}`;
  let serverSignature = null;
  return {
    first: `n,,${bare}`,
    verified: false,

    answer(challenge) {
      const fields = fieldsOf(challenge);
      const [both = '', salt = '', iterations = ''] = ['r', 's', 'i'].map((name) => fields.get(name));
      if (!both.startsWith(nonce) || both.length === nonce.length) throw new Error('the nonce is not ours');
      if (!/^\d+$/.test(iterations) || Number(iterations) < 1 || Number(iterations) > ITERATIONS_MAX) {
        throw new Error(`${iterations} iterations are refused`);
      }
      const salted = pbkdf2Sync(
        password.normalize('NFKC'),
        Buffer.from(salt, 'base64'),
        Number(iterations),
        32,
        'sha256',
      );
      const clientKey = hmac(salted, 'Client Key');
      const withoutProof = `c=biws,r=${both}`;
      const all = `${bare},${challenge},${withoutProof}`;
      const signature = hmac(createHash('sha256').update(clientKey).digest(), all);
      const proof = clientKey.map((byte, i) => byte ^ signature[i]);
      serverSignature = hmac(hmac(salted, 'Server Key'), all);
      return `${withoutProof},p=${Buffer.from(proof).toString('base64')}`;
    },

    verify(final) {
      const given = Buffer.from(fieldsOf(final).get('v') ?? '', 'base64');
      if (serverSignature === null || given.length !== 32 || !timingSafeEqual(given, serverSignature)) {
        throw new Error('the server did not prove that it knows the password');
      }
      this.verified = true;
    },
  };
}
