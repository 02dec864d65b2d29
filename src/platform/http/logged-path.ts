/** The query may hold anything; log lines and messages get the path alone. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

const SECRETS =
  /(?<=(?<![0-9A-Za-z])(?:sk|pk|inv|whsec|aisbreaker)_)[0-9A-Za-z_-]{4,}|(?<![0-9A-Za-z])eyJ[\w-]*(?:\.[\w-]*)*/g;
const ESCAPE = /%([0-7][0-9A-Fa-f])/g;
/** So often may a proxy have encoded what another one had encoded. */
const MAX_ROUNDS = 3;

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
  const masked = plain.replace(SECRETS, '…');
  return masked === plain ? path : masked;
}
