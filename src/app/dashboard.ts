import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { StaticSite } from './static-site.js';

const PREFIX = '/dashboard';
const ASSETS = 'assets/';

/** Where the Firebase SDK signs people in and renews their tokens: the only other hosts that pages may ask. */
const FIREBASE_HOSTS = 'https://identitytoolkit.googleapis.com https://securetoken.googleapis.com';
/** Only the build's own files run, and text never becomes markup: what a user typed can't become a script. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  `connect-src 'self' ${FIREBASE_HOSTS}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');
const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
};

/** The web application, which scripts/build-dashboard.mjs makes: its files, and its one page for every other path below. */
export const DASHBOARD: StaticSite = {
  prefix: PREFIX,
  folder: fileURLToPath(new URL('../../dashboard/dist', import.meta.url)),
  notBuilt: 'The dashboard is not built: run `npm run dashboard`.',
  noSuchFile: 'The dashboard has no such file. Reload the page: a newer version may have replaced it.',
  isPage: (name) => !name.startsWith(ASSETS),
  // What the build names by its content never changes.
  headersOf: (file) => ({
    ...HEADERS,
    'cache-control': file.startsWith(ASSETS) ? 'public, max-age=31536000, immutable' : 'no-cache',
  }),
};

/** Invitations link to `/accept-invitation`. The token stands after the #, which browsers keep to themselves and take along. */
export function leadInvitations(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get('/accept-invitation', (request, reply) => {
    request.routePath = `${PREFIX}/*`;
    return reply.redirect(`${PREFIX}/accept-invitation`, 302);
  });
}
