import { fileURLToPath } from 'node:url';
import type { StaticSite } from './static-site.js';

/** The documentation's site, which scripts/build-guide.mjs makes; from src/ and from dist/ the same number of folders up. */
export const GUIDE: StaticSite = {
  prefix: '/docs/guide',
  folder: fileURLToPath(new URL('../../site', import.meta.url)),
  notBuilt: 'The guides are not built: run `npm run docs:site`.',
  noSuchFile: 'There is no such page.',
  isPage: () => false,
  headersOf: () => ({ 'cache-control': 'no-cache' }),
};
