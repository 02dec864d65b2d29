import { readFileSync } from 'node:fs';

/** From src/ and from dist/ the same number of folders up. */
const PACKAGE = new URL('../../package.json', import.meta.url);

export const VERSION = (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }).version;

const MOST_NAME_LENGTH = 100;

/** @param name as the query has it: anything */
export function greetingTo(name: unknown): string {
  const known = typeof name === 'string' ? name.trim().slice(0, MOST_NAME_LENGTH) : '';
  return known === '' ? 'Hello!' : `Hello ${known}!`;
}
