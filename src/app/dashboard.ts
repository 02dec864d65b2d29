import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { BrowserSignIn } from '../signin/index.js';
import type { StaticSite } from './static-site.js';

const PREFIX = '/dashboard';
const ASSETS = 'assets/';

/** Where the Firebase SDK signs people in and renews their tokens. */
const FIREBASE_HOSTS = ['https://identitytoolkit.googleapis.com', 'https://securetoken.googleapis.com'];

/**
 * Only the build's own files run, and text never becomes markup: what a user typed can't become a script.
 *
 * @param signInOrigins the only other origins that pages may ask
 */
const contentSecurityPolicy = (signInOrigins: readonly string[]): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    ["connect-src 'self'", ...signInOrigins].join(' '),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
};

/**
 * The web application, which scripts/build-dashboard.mjs makes: its files, and its one page for every other path below.
 *
 * @param signIn by an issuer other than Firebase; null: no such issuer is set
 */
export function dashboardSite(signIn: BrowserSignIn | null): StaticSite {
  const originsOf = async (file: string): Promise<readonly string[]> => {
    if (signIn === null) return FIREBASE_HOSTS;
    // Other files have no use for the origins, and should not wait for the issuer.
    return file === 'index.html' ? signIn.origins() : [];
  };
  return {
    prefix: PREFIX,
    folder: fileURLToPath(new URL('../../dashboard/dist', import.meta.url)),
    notBuilt: 'The dashboard is not built: run `npm run dashboard`.',
    noSuchFile: 'The dashboard has no such file. Reload the page: a newer version may have replaced it.',
    isPage: (name) => !name.startsWith(ASSETS),
    // What the build names by its content never changes.
    headersOf: async (file) => ({
      ...HEADERS,
      'content-security-policy': contentSecurityPolicy(await originsOf(file)),
      'cache-control': file.startsWith(ASSETS) ? 'public, max-age=31536000, immutable' : 'no-cache',
    }),
  };
}

/** Invitations link to `/accept-invitation`. The token stands after the #, which browsers keep to themselves and take along. */
export function leadInvitations(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get('/accept-invitation', (request, reply) => {
    request.routePath = `${PREFIX}/*`;
    return reply.redirect(`${PREFIX}/accept-invitation`, 302);
  });
}
