/** Log lines and messages get the path alone, since the query may hold anything. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

/** Takes all that follows a key's prefix: a slash or a line end within the key would otherwise leave its second half visible. */
const SECRETS =
  /(?<=(?<![0-9A-Za-z])(?:(?:[sS][kK]|[pP][kK]|[gG][wW]|inv|whsec|aisbreaker)_|[sS][kK]-))[0-9A-Za-z_-]{4,}[^]*|(?<![0-9A-Za-z])eyJ[\w-]*(?:\.[\w-]*)*/g;
/** Long, with digits and letters of both cases: keys look like that whatever precedes them, and our ids do not. */
const LIKE_A_KEY = /(?<![0-9A-Za-z])(?=[0-9a-z]*[A-Z])(?=[0-9A-Z]*[a-z])(?=[A-Za-z]*\d)[0-9A-Za-z]{28,}/g;
/**
 * Sealed tokens, JWTs, keys of this service, and keys of providers, by their whole form, since names may begin like them;
 * wherever they stand, since `openai/` or a space before a key does not make it a name.
 */
const CREDENTIAL =
  /(?<![0-9A-Za-z])(?:(?:sk|pk|gw)_[0-9a-z]+_[0-9A-Za-z]{28,}|aisbreaker_eyJ|eyJ[\w-]+\.eyJ[\w-]+\.|sk-(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{32,}|whsec_[\w+/]{24,}|AIza[\w-]{35}(?![\w-])|A[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z]))/;
const ESCAPE = /%([0-7][0-9A-Fa-f])/g;
/** How many proxies may have encoded the path one after the other; no path is long enough to hide a key behind more. */
const MAX_ROUNDS = 16;

/** Whether a text that will be stored and logged holds a credential, put where a name belongs. */
export function isCredential(text: string): boolean {
  return CREDENTIAL.test(text);
}

/**
 * A path as the log keeps it. A caller may put a credential, percent-encoded or not, where it does not belong: it is replaced.
 * A path without a credential stays as it was sent.
 */
export function loggedPath(url: string): string {
  const path = pathOf(url);
  if (path.length < 12) return path;
  let plain = path;
  for (let round = 0; round < MAX_ROUNDS && plain.includes('%'); round += 1)
    plain = plain.replace(ESCAPE, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const masked = plain.replace(SECRETS, '…').replace(LIKE_A_KEY, '…');
  return masked === plain ? path : masked;
}
