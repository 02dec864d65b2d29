import { publicJwks, type PublicJwk, type SigningKey } from './signing-keys.js';

/** All signing keys in use. The first signs; the others verify what was signed before. */
export class SigningKeyRing {
  constructor(readonly keys: readonly [SigningKey, ...SigningKey[]]) {}

  /** What verifiers fetch: public members alone. */
  publicJwks(): { readonly keys: readonly PublicJwk[] } {
    return publicJwks(this.keys);
  }
}
