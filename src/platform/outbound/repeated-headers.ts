import type { IncomingHttpHeaders } from 'node:http';

/** Of these the first counts, as in Node's own client: two joined are not a valid value. */
const SINGLE: ReadonlySet<string> = new Set(['content-type', 'content-length', 'location', 'retry-after']);

/** The headers with each one a text, as their type says: undici gives a list where a server repeats one. */
export function withRepeatedJoined(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  let joined: Record<string, string | string[] | undefined> | null = null;
  for (const name in headers) {
    const said = headers[name];
    // Cookies are a list in the type too.
    if (!Array.isArray(said) || name === 'set-cookie') continue;
    joined ??= { ...headers };
    joined[name] = SINGLE.has(name) ? said[0] : said.join(', ');
  }
  return joined ?? headers;
}
