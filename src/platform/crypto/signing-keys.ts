import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** The public half of a signing key, as a JWKS shows it. */
export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'ES256';
}

export interface SigningKey {
  /** RFC 7638 thumbprint: the same key has the same id in every process, with nothing to configure. */
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: PublicJwk;
}

const VARIABLE = 'GATEHOUSE_SIGNING_KEYS';
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads GATEHOUSE_SIGNING_KEYS: the first key signs, all verify.
 *
 * @throws Error of one sentence that says what is wrong, and with which key, but nothing of what stands in it: the text
 * is shown at start-up, where a parser's own message might quote the material.
 */
export function parseSigningKeys(text: string): readonly [SigningKey, ...SigningKey[]] {
  const pem = text.replaceAll('\\r', '').replaceAll('\\n', '\n');
  const blocks = [...pem.matchAll(PEM_BLOCK)];
  if (blocks.length === 0 || pem.replace(PEM_BLOCK, '').trim() !== '') {
    throw new Error(`${VARIABLE} must hold PEM blocks that begin with -----BEGIN PRIVATE KEY----- and nothing else.`);
  }
  const keys = blocks.map(([block, label], index) => signingKey(block, label, `Key ${index + 1} of ${VARIABLE}`));
  const [first, ...others] = keys;
  if (first === undefined || new Set(keys.map(({ kid }) => kid)).size !== keys.length) {
    throw new Error(`${VARIABLE} holds the same key twice.`);
  }
  return [first, ...others];
}

/** The document that verifiers of our tokens fetch. Holds public members alone. */
export function publicJwks(keys: readonly SigningKey[]): { readonly keys: readonly PublicJwk[] } {
  return { keys: keys.map(({ publicJwk }) => publicJwk) };
}

function signingKey(block: string, label: string | undefined, name: string): SigningKey {
  if (label !== 'PRIVATE KEY') {
    throw new Error(`${name} must be a PKCS#8 private key without a passphrase (-----BEGIN PRIVATE KEY-----).`);
  }
  const privateKey = readPrivateKey(block);
  if (privateKey === null) throw new Error(`${name} is damaged: it can't be read as a PKCS#8 private key.`);
  if (privateKey.asymmetricKeyType !== 'ec' || privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Error(`${name} must be an elliptic curve key on P-256.`);
  }
  const publicKey = createPublicKey(privateKey);
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const kid = createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url');
  return { kid, privateKey, publicKey, publicJwk: { kty: 'EC', crv: 'P-256', x, y, kid, use: 'sig', alg: 'ES256' } };
}

function readPrivateKey(block: string): KeyObject | null {
  try {
    return createPrivateKey({ key: block, format: 'pem' });
  } catch {
    return null;
  }
}
