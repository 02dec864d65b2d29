import { invalidField } from '../platform/errors/index.js';

export const CACHE_CONTROL_HEADER = 'x-cache-control';

/** What a caller says of the gateway's cache. */
export interface CacheControl {
  /** `no-cache`: the provider is asked, whatever is kept. */
  readonly asksAnew: boolean;
  /** `no-store`: the answer is not kept. */
  readonly keepsNot: boolean;
  /** `max-age`: an answer that is older is not taken. */
  readonly maxAgeSeconds: number;
}

const NOTHING_SAID: CacheControl = { asksAnew: false, keepsNot: false, maxAgeSeconds: Infinity };
const MAX_AGE = /^max-age=(\d{1,9})$/;

/** @throws Fault invalid_input */
export function cacheControlOf(header: string | readonly string[] | undefined): CacheControl {
  if (header === undefined) return NOTHING_SAID;
  let said = NOTHING_SAID;
  for (const part of String(header).toLowerCase().split(',')) {
    const directive = part.trim();
    const [, age] = MAX_AGE.exec(directive) ?? [];
    if (directive === 'no-cache') said = { ...said, asksAnew: true };
    else if (directive === 'no-store') said = { ...said, keepsNot: true };
    else if (age !== undefined) said = { ...said, maxAgeSeconds: Number(age) };
    else
      throw invalidField(
        CACHE_CONTROL_HEADER,
        'must be no-cache, no-store, max-age=<seconds>, or some of these separated by commas',
      );
  }
  return said;
}
