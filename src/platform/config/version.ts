import { readFileSync } from 'node:fs';

/** From src/ and from dist/ the same number of folders up. */
const PACKAGE = new URL('../../../package.json', import.meta.url);

/** The version of Gatehouse, from package.json. */
export const VERSION = (JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }).version;
