import { z } from 'zod';
import { flag, group } from './setting-definition.js';

const dashboard = group('Dashboard').define;

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
