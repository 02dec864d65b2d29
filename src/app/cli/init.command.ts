import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { environmentFile } from '../../platform/config/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { fields, show, UsageError, type OutputOptions } from './command-output.js';

const HEAD = `# Settings of Gatehouse, for production. Made by \`gatehouse init\`, with secrets of its own: keep this file as safe as
# they are. The same secrets on every replica. What is commented out has the default that stands there.`;
const COMPOSE = `# ──────── docker-compose.yml

# Of the Postgres that docker-compose.yml brings, not settings of the service: the superuser's password, and the one of the
# database's owner. Secret.
`;

export interface InitOptions extends OutputOptions {
  readonly file: string;
  readonly databaseUrl?: string;
  readonly firebaseProject?: string;
  readonly oidcIssuer?: string;
  readonly oidcAudience?: string;
  readonly oidcClientId?: string;
}

/** Writes a new `.env`, and never over one that is there: its secrets would be lost, and every key with them. */
export async function init(options: InitOptions): Promise<void> {
  const { file, databaseUrl, firebaseProject, oidcIssuer, oidcAudience, oidcClientId } = options;
  if (firebaseProject !== undefined && (oidcIssuer ?? oidcAudience ?? oidcClientId) !== undefined)
    throw new UsageError('--firebase-project and --oidc-issuer contradict each other: the dashboard has one issuer.');
  const values: Record<string, string> = {
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    GATEHOUSE_PEPPERS: `1:${randomBytes(32).toString('base64url')}`,
    GATEHOUSE_ENCRYPTION_KEYS: `1:${randomBytes(32).toString('base64url')}`,
    GATEHOUSE_SIGNING_KEYS: generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString()
      .trim(),
    ...(firebaseProject === undefined ? {} : { FIREBASE_PROJECT_ID: firebaseProject }),
    ...(oidcIssuer === undefined ? {} : { DASHBOARD_OIDC_ISSUER: oidcIssuer }),
    ...(oidcAudience === undefined ? {} : { DASHBOARD_OIDC_AUDIENCE: oidcAudience }),
    ...(oidcClientId === undefined ? {} : { DASHBOARD_OIDC_CLIENT_ID: oidcClientId }),
  };
  const password = (): string => randomBytes(24).toString('base64url').replaceAll(/[-_]/g, 'x');
  const text = `${environmentFile(HEAD, values)}\n${COMPOSE}POSTGRES_PASSWORD=${password()}\nDATABASE_PASSWORD=${password()}\n`;
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST')
      throw new OperatorError(`${file} can't be written (${code ?? ''}); name another with --file.`);
    throw new OperatorError(`${file} already exists, and stays as it is. Move it away, or name another with --file.`);
  }
  const isOidc = (oidcIssuer ?? oidcAudience ?? oidcClientId) !== undefined;
  const signIn = isOidc ? ['DASHBOARD_OIDC_ISSUER', 'DASHBOARD_OIDC_AUDIENCE'] : ['FIREBASE_PROJECT_ID'];
  const missing = ['DATABASE_URL', ...signIn].filter((name) => !(name in values));
  show(options, { file, set: Object.keys(values), missing }, () =>
    fields([
      ['Wrote', file],
      ['Set', Object.keys(values).join(', ')],
      ['Still to set', missing.join(', ') || 'nothing'],
      ...(missing.includes('FIREBASE_PROJECT_ID')
        ? [['', 'or, instead of FIREBASE_PROJECT_ID, DASHBOARD_OIDC_ISSUER and DASHBOARD_OIDC_AUDIENCE'] as const]
        : []),
      ['Next', '`gatehouse doctor` looks whether the service can start with it'],
    ]),
  );
}
