/** The user of server programs that refuse to run as root; null: the test itself is not root. On Debian 65534 owns no files. */
export function unprivilegedUser(): { uid: number; gid: number } | null {
  return process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null;
}
