import { randomFillSync } from 'node:crypto';

const POOL = Buffer.allocUnsafe(10 * 512);
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
let used = POOL.length;

/**
 * A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, 74 random bits. Made for every request, so the random
 * bytes are drawn many at a time and each is used once.
 */
export function uuidV7(): string {
  if (used === POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  const at = used;
  used += 10;
  const time = Date.now().toString(16).padStart(12, '0');
  const byte = (index: number): string => HEX[POOL[at + index] as number] as string;
  const version = HEX[0x70 | ((POOL[at] as number) & 0x0f)] as string;
  const variant = HEX[0x80 | ((POOL[at + 2] as number) & 0x3f)] as string;
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}${byte(1)}-${variant}${byte(3)}-${byte(4)}${byte(5)}${byte(6)}${byte(7)}${byte(8)}${byte(9)}`;
}
