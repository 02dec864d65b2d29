import type { IncomingHttpHeaders } from 'node:http';

/** What an issuer answered for its keys. Entries are read one by one later: one bad entry spoils no other. */
export interface JwksDocument {
  readonly keys: readonly unknown[];
  /** How long the issuer says that they hold. Absent: it says nothing. */
  readonly maxAgeSeconds?: number;
}

/**
 * Reads a fetched JWKS with its Cache-Control.
 *
 * @throws Error where it is not one: an error page must not pass for "the issuer has no keys".
 */
export function readJwksAnswer(answer: {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}): JwksDocument {
  if (answer.status !== 200) throw new Error(`The issuer's keys were answered with status ${answer.status}.`);
  const keys = (answer.body as { keys?: unknown } | null | undefined)?.keys;
  if (!Array.isArray(keys)) throw new Error("The issuer's keys are not a JWKS document.");
  const maxAgeSeconds = remainingSeconds(answer.headers);
  return { keys, ...(maxAgeSeconds === null ? {} : { maxAgeSeconds }) };
}

/** `max-age` less what the answer spent in caches on its way (`Age`). */
function remainingSeconds(headers: IncomingHttpHeaders): number | null {
  const cacheControl = headers['cache-control'] ?? '';
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,])/i.test(cacheControl)) return 0;
  const maxAge = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})/i.exec(cacheControl)?.[1];
  if (maxAge === undefined) return null;
  const age = /^\d{1,10}$/.test(headers.age ?? '') ? Number(headers.age) : 0;
  return Math.max(0, Number(maxAge) - age);
}
