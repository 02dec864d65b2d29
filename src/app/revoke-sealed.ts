import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { loadProcessSettings, type ConfiguredSettings } from '../platform/config/index.js';
import { uuidV7 } from '../platform/crypto/index.js';
import { Database } from '../platform/database/index.js';
import { tokenIdOf } from '../sealed/index.js';

// `npm run revoke-sealed -- --jti <jti>` or `-- --issued-before <time>`: revokes sealed access tokens on every replica.
const REVOKE = { name: 'revoke_sealed_tokens', text: 'SELECT revoke_sealed_tokens($1, $2, $3)' };
const USAGE = 'Say which tokens: --jti <the jti of one>, or --issued-before <a time, as 2026-11-29T12:00:00Z>.';

interface Revocation {
  readonly tokenHash: string | null;
  readonly issuedBefore: Date | null;
}

try {
  process.exitCode = await revoke(loadProcessSettings().settings, process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function revoke(settings: ConfiguredSettings, given: string[]): Promise<number> {
  const revocation = revocationOf(given);
  if (revocation === null) {
    process.stderr.write(`${USAGE}\n`);
    return 1;
  }
  const { databaseUrl, encryptionKeys, peppers, signingKeys } = settings;
  if (databaseUrl === undefined || encryptionKeys === undefined || peppers === undefined || signingKeys === undefined) {
    process.stderr.write(
      'Set what the service is configured with, DATABASE_URL among it: this works on its database.\n',
    );
    return 1;
  }
  const configured = { databaseUrl, encryptionKeys, peppers, signingKeys, embeddedDatabase: false };
  const database = new Database({ ...settings, ...configured });
  const { tokenHash, issuedBefore } = revocation;
  try {
    await database.callAside(REVOKE, [uuidV7(), tokenHash, issuedBefore]);
  } finally {
    await database.close();
  }
  const which =
    issuedBefore === null ? 'The token is' : `Tokens that were issued before ${issuedBefore.toISOString()} are`;
  process.stdout.write(`${which} revoked, on every replica within a second.\n`);
  return 0;
}

function revocationOf(given: string[]): Revocation | null {
  const { jti, 'issued-before': time } = parseArgs({
    args: given,
    options: { jti: { type: 'string' }, 'issued-before': { type: 'string' } },
  }).values;
  if ((jti === undefined) === (time === undefined)) return null;
  if (jti !== undefined) return jti === '' ? null : { tokenHash: tokenIdOf(jti), issuedBefore: null };
  const issuedBefore = new Date(time ?? '');
  return Number.isNaN(issuedBefore.getTime()) ? null : { tokenHash: null, issuedBefore };
}
