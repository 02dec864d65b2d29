import path from 'node:path';
import { parseArgs } from 'node:util';
import type { ConfiguredSettings } from '../platform/config/index.js';
import { DEFAULT_TOKEN_SECONDS, DevelopmentIssuer, type TokenWishes } from './development-issuer.js';
import { loadDevelopmentSecrets } from './development-secrets.js';
import { END_USER_AUDIENCE, endUserIssuerAt } from './end-user-issuer.js';
import { readQuickstart } from './quickstart-file.js';

const MAX_TOKEN_SECONDS = 365 * 24 * 3600;
const MAX_USER_ID_LENGTH = 128;
const MAX_SUBJECT_LENGTH = 256;
const OPTIONS = {
  user: { type: 'string' },
  tenant: { type: 'string' },
  'no-tenant': { type: 'boolean' },
  role: { type: 'string' },
  email: { type: 'string' },
  'expires-in': { type: 'string' },
  'end-user': { type: 'string' },
  audience: { type: 'string' },
  issuer: { type: 'string' },
} as const;
const TAKES =
  'the token command takes --user with --tenant or --no-tenant, --role and --email, or --end-user with --audience and --issuer; and --expires-in (seconds)';
const OF_PEOPLE = ['tenant', 'no-tenant', 'role', 'email'] as const;

/** The command was written wrong. The message is one plain sentence. */
export class WrongTokenOptions extends Error {}

/**
 * Makes the token that a command line asks for, whether or not a service runs: both read the same home.
 *
 * @throws WrongTokenOptions; Error of one plain sentence: the configuration is production's
 */
export async function tokenFor(
  args: readonly string[],
  settings: Pick<ConfiguredSettings, 'mode' | 'home' | 'port'>,
): Promise<string> {
  if (settings.mode === 'production') {
    throw new Error(
      'This configuration is production, where the development issuer does not exist; sign in with the issuer that it names.',
    );
  }
  const given = parse(args);
  if (given['end-user'] !== undefined) {
    const claims = readEndUser(given);
    const issuer = given.issuer ?? (await endUserIssuerOf(settings));
    const { issuerKeyPem } = await loadDevelopmentSecrets(settings.home);
    return new DevelopmentIssuer(settings.home, issuerKeyPem).issueToEndUser({ ...claims, issuer });
  }
  const wishes = readWishes(given);
  const { issuerKeyPem } = await loadDevelopmentSecrets(settings.home);
  return new DevelopmentIssuer(settings.home, issuerKeyPem).issue(wishes);
}

function readWishes(given: Given): TokenWishes {
  const { user, tenant, 'no-tenant': noTenant, role, email, audience, issuer } = given;
  if (user === undefined) throw new WrongTokenOptions(`--user is missing; ${TAKES}.`);
  if (user === '' || user.length > MAX_USER_ID_LENGTH) {
    throw new WrongTokenOptions(`--user must be of 1 to ${MAX_USER_ID_LENGTH} characters.`);
  }
  if (audience !== undefined || issuer !== undefined) {
    throw new WrongTokenOptions('--audience and --issuer belong to --end-user; a dashboard token has its own.');
  }
  if (noTenant && tenant !== undefined) throw new WrongTokenOptions('--tenant and --no-tenant contradict each other.');
  return {
    userId: user,
    email: email || undefined,
    tenantId: noTenant || tenant === '' ? null : tenant,
    role: role || undefined,
    expiresInSeconds: secondsOf(given),
  };
}

function readEndUser(given: Given): { subject: string; audience: string; expiresInSeconds: number } {
  const { 'end-user': subject = '', user, audience = END_USER_AUDIENCE } = given;
  if (user !== undefined)
    throw new WrongTokenOptions('--user and --end-user contradict each other: a person, or a user of the app.');
  const extra = OF_PEOPLE.find((name) => given[name] !== undefined);
  if (extra !== undefined) throw new WrongTokenOptions(`--${extra} belongs to --user; ${TAKES}.`);
  if (subject === '' || subject.length > MAX_SUBJECT_LENGTH) {
    throw new WrongTokenOptions(`--end-user must be of 1 to ${MAX_SUBJECT_LENGTH} characters.`);
  }
  if (audience === '') throw new WrongTokenOptions('--audience must not be empty.');
  return { subject, audience, expiresInSeconds: secondsOf(given) };
}

function secondsOf({ 'expires-in': expiresIn }: Given): number {
  const seconds = expiresIn === undefined ? DEFAULT_TOKEN_SECONDS : Number(expiresIn);
  if (!/^\d+$/.test(expiresIn ?? '1') || seconds < 1 || seconds > MAX_TOKEN_SECONDS) {
    throw new WrongTokenOptions(`--expires-in must be a whole number of seconds from 1 to ${MAX_TOKEN_SECONDS}.`);
  }
  return seconds;
}

/** Where the service that last started here serves the issuer's configuration; before any start, where it will by default. */
async function endUserIssuerOf({ home, port }: Pick<ConfiguredSettings, 'home' | 'port'>): Promise<string> {
  const written = await readQuickstart(path.join(home, 'quickstart.json'));
  return endUserIssuerAt(written?.baseUrl ?? `http://127.0.0.1:${port}`);
}

type Given = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values;
  } catch (error) {
    // The first sentence says what is wrong; the rest of it is about the parser.
    const [what = 'The arguments are wrong'] = (error as Error).message.split(/\.\s|\n/);
    throw new WrongTokenOptions(`${what.replace(/\.$/, '')}; ${TAKES}.`, { cause: error });
  }
}
