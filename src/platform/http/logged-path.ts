/** The query may hold anything; log lines and messages get the path alone. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

/** With all that comes after a key's prefix: a slash or a line end within the key would show its other half. */
const SECRETS =
  /(?<=(?<![0-9A-Za-z])(?:(?:[sS][kK]|[pP][kK]|[gG][wW]|inv|whsec|aisbreaker)_|[sS][kK]-))[0-9A-Za-z_-]{4,}[^]*|(?<![0-9A-Za-z])eyJ[\w-]*(?:\.[\w-]*)*/g;
/** Long and of every kind of character: what our ids are not, and keys are, whatever was put before or into their prefix. */
const LIKE_A_KEY = /(?<![0-9A-Za-z])(?=[0-9a-z]*[A-Z])(?=[0-9A-Z]*[a-z])(?=[A-Za-z]*\d)[0-9A-Za-z]{28,}/g;
const ESCAPE = /%([0-7][0-9A-Fa-f])/g;
/** So often may a proxy have encoded what another one had encoded; no path is long enough to hide a key behind more. */
const MAX_ROUNDS = 16;

/**
 * A path as the log keeps it. A caller may put a credential where none belongs, percent-encoded or not; what it was is
 * replaced. A path without one stays as it was sent.
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
