import { parseArgs } from 'node:util';
import type { ConfiguredSettings } from '../platform/config/index.js';
import { DEFAULT_TOKEN_SECONDS, DevelopmentIssuer, type TokenWishes } from './development-issuer.js';
import { loadDevelopmentSecrets } from './development-secrets.js';

const MAX_TOKEN_SECONDS = 365 * 24 * 3600;
const MAX_USER_ID_LENGTH = 128;
const OPTIONS = {
  user: { type: 'string' },
  tenant: { type: 'string' },
  'no-tenant': { type: 'boolean' },
  role: { type: 'string' },
  email: { type: 'string' },
  'expires-in': { type: 'string' },
} as const;
const TAKES =
  'the token command takes --user (needed), --tenant or --no-tenant, --role, --email and --expires-in (seconds)';

/**
 * Makes the token that a command line asks for, whether or not a service runs: both read the same home.
 *
 * @throws Error of one plain sentence
 */
export async function tokenFor(
  args: readonly string[],
  settings: Pick<ConfiguredSettings, 'mode' | 'home'>,
): Promise<string> {
  if (settings.mode === 'production') {
    throw new Error(
      'This configuration is production, where the development issuer does not exist; sign in with Firebase.',
    );
  }
  const wishes = readWishes(args);
  const { issuerKeyPem } = await loadDevelopmentSecrets(settings.home);
  return new DevelopmentIssuer(settings.home, issuerKeyPem).issue(wishes);
}

function readWishes(args: readonly string[]): TokenWishes {
  const { user, tenant, 'no-tenant': noTenant, role, email, 'expires-in': expiresIn } = parse(args);
  if (user === undefined) throw new Error(`--user is missing; ${TAKES}.`);
  if (user === '' || user.length > MAX_USER_ID_LENGTH) {
    throw new Error(`--user must be of 1 to ${MAX_USER_ID_LENGTH} characters.`);
  }
  if (noTenant && tenant !== undefined) throw new Error('--tenant and --no-tenant contradict each other.');
  const expiresInSeconds = expiresIn === undefined ? DEFAULT_TOKEN_SECONDS : Number(expiresIn);
  if (!/^\d+$/.test(expiresIn ?? '1') || expiresInSeconds < 1 || expiresInSeconds > MAX_TOKEN_SECONDS) {
    throw new Error(`--expires-in must be a whole number of seconds from 1 to ${MAX_TOKEN_SECONDS}.`);
  }
  return {
    userId: user,
    email: email || undefined,
    tenantId: noTenant || tenant === '' ? null : tenant,
    role: role || undefined,
    expiresInSeconds,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    // The first sentence says what is wrong; the rest of it is about the parser.
    const [what = 'The arguments are wrong'] = (error as Error).message.split(/\.\s|\n/);
    throw new Error(`${what.replace(/\.$/, '')}; ${TAKES}.`, { cause: error });
  }
}
