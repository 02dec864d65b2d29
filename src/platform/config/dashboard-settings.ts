import { z } from 'zod';
import { flag, group, url } from './setting-definition.js';

const dashboard = group('Dashboard').define;
const signIn = group('Dashboard sign-in').define;

/** The web application at /dashboard, and what browsers are told to sign in with: all of it is public. */
export const DASHBOARD_SETTINGS = {
  dashboard: dashboard('GATEHOUSE_DASHBOARD', flag, 'Serves the web application at `/dashboard`.', { fallback: '1' }),
  firebaseApiKey: dashboard(
    'FIREBASE_API_KEY',
    z.string().regex(/^[\w-]{10,100}$/, "must be a Firebase project's web API key"),
    "The Firebase project's web API key, which is public: browsers sign in with it. Unset: the dashboard can't sign in by " +
      'Firebase.',
  ),
  googleClientId: dashboard(
    'GATEHOUSE_GOOGLE_CLIENT_ID',
    z.string().regex(/^[\w.-]{10,200}$/, 'must be an OAuth client id'),
    "OAuth client id of the Firebase project's Google sign-in, with `<address>/dashboard/google` among its redirect " +
      'addresses. Unset: no button for Google.',
  ),
  googleSignIn: dashboard(
    'GATEHOUSE_GOOGLE_SIGN_IN',
    z.enum(['redirect', 'popup'], 'must be redirect or popup'),
    'How Google is asked: in the same window, or in one beside it.',
    { fallback: 'redirect' },
  ),
  dashboardSession: dashboard(
    'GATEHOUSE_DASHBOARD_SESSION',
    z.enum(['memory', 'tab'], 'must be memory or tab'),
    '`memory`: a reload signs out. `tab`: the browser keeps the sign-in of a tab until it is closed, where scripts of the ' +
      'page can read it.',
    { fallback: 'memory' },
  ),
};

/** An OpenID Connect issuer in Firebase's place. */
export const OIDC_SIGN_IN_SETTINGS = {
  dashboardOidcIssuer: signIn(
    'DASHBOARD_OIDC_ISSUER',
    url('https:', 'http:'),
    "Instead of Firebase: the OpenID Connect issuer whose tokens are the dashboard's, as in `iss`. Its users are known by `sub`; " +
      'their tenant and role are what Gatehouse itself has, and groups in the token mean nothing.',
  ),
  dashboardOidcAudience: signIn(
    'DASHBOARD_OIDC_AUDIENCE',
    z.string().min(1).max(256),
    'What `aud` of those tokens must be or hold: the client id of your application at the issuer. The dashboard then sends ID ' +
      'tokens. With another audience it sends access tokens, which must be JWTs for that audience.',
  ),
  dashboardOidcClientId: signIn(
    'DASHBOARD_OIDC_CLIENT_ID',
    z.string().regex(/^[\x21-\x7e]{1,256}$/, 'must be a client id: 1 to 256 printable ASCII characters, no spaces'),
    'Client id of a public client at that issuer, with `<address>/dashboard/oidc` among its redirect addresses: browsers sign in ' +
      'with it. Unset: only the API takes the tokens.',
  ),
  dashboardOidcScopes: signIn(
    'DASHBOARD_OIDC_SCOPES',
    z
      .string()
      .regex(/^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/, 'must be scopes, separated by one space')
      .refine((scopes) => scopes.split(' ').includes('openid'), 'must hold openid'),
    'What the dashboard asks of that issuer. Add `offline_access` where the issuer gives refresh tokens for it alone.',
    { fallback: 'openid email profile' },
  ),
  dashboardOidcJwksUrl: signIn(
    'DASHBOARD_OIDC_JWKS_URL',
    url('https:', 'http:'),
    "Where the issuer's keys are. Unset: found by discovery.",
  ),
};
