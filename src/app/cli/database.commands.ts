import type { Settings } from '../../platform/config/index.js';
import { EncryptionKeyRing, uuidV7 } from '../../platform/crypto/index.js';
import { Database, migrate, queueState, versionCounts } from '../../platform/database/index.js';
import { DataKeyRewrap } from '../../platform/encryption/index.js';
import { tokenIdOf } from '../../sealed/index.js';
import { webhookSecretRewrap } from '../../webhooks/index.js';
import { print, show, UsageError, type OutputOptions } from './command-output.js';
import { DATABASE_SOURCES, withSettings } from './operator-settings.js';

const REVOKE = { name: 'revoke_sealed_tokens', text: 'SELECT revoke_sealed_tokens($1, $2, $3)' };

export async function applyMigrations(options: OutputOptions): Promise<void> {
  // Not on standard output, which may be read by a program.
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  const { applied, ahead } = await withSettings(({ databaseUrl, databaseRolePrefix }) =>
    migrate(databaseUrl, DATABASE_SOURCES, tell, databaseRolePrefix),
  );
  if (ahead.length > 0)
    tell(`A newer version of Gatehouse migrated this database (${ahead[0]}); this one changes nothing.`);
  show(options, { applied, ahead }, () =>
    applied.length === 0 ? 'The database is up to date.' : `Applied:\n${applied.map((name) => `  ${name}`).join('\n')}`,
  );
}

export interface Revocation extends OutputOptions {
  readonly jti?: string;
  readonly issuedBefore?: string;
}

/** On every replica, within a second. */
export async function revokeSealed(options: Revocation): Promise<void> {
  const { jti, issuedBefore: time } = options;
  if ((jti === undefined) === (time === undefined) || jti === '') {
    throw new UsageError(
      'Say which tokens: --jti <the jti of one>, or --issued-before <a time, as 2026-11-29T12:00:00Z>.',
    );
  }
  const issuedBefore = time === undefined ? null : new Date(time);
  if (issuedBefore !== null && Number.isNaN(issuedBefore.getTime())) {
    throw new UsageError('--issued-before must be a time, as 2026-11-29T12:00:00Z.');
  }
  const tokenHash = jti === undefined ? null : tokenIdOf(jti);
  await withDatabase((database) => database.callAside(REVOKE, [uuidV7(), tokenHash, issuedBefore]));
  const which =
    issuedBefore === null ? 'The token is' : `Tokens that were issued before ${issuedBefore.toISOString()} are`;
  const told = { ...(jti === undefined ? {} : { jti }), ...(issuedBefore === null ? {} : { issuedBefore }) };
  show(options, { revoked: told }, () => `${which} revoked, on every replica within a second.`);
}

/**
 * Moves what is stored to the newest of GATEHOUSE_ENCRYPTION_KEYS, and says when the others may go. Stopped half-way it is
 * run again; the service may run meanwhile.
 */
export async function rotateEncryption(options: OutputOptions): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());
  const { moved, unreadable, version } = await withDatabase(async (database, ring) => {
    const parts = [
      await new DataKeyRewrap(database, ring).run(stopping.signal),
      await webhookSecretRewrap(database, ring).run(stopping.signal),
    ];
    return {
      moved: parts.reduce((sum, part) => sum + part.moved, 0),
      unreadable: parts.reduce((sum, part) => sum + part.unreadable, 0),
      version: ring.newestVersion,
    };
  });
  const isDone = !stopping.signal.aborted && unreadable === 0;
  if (options.json) show(options, { moved, unreadable, version, olderMayGo: isDone }, () => '');
  else {
    print(`${moved} moved to version ${version} of GATEHOUSE_ENCRYPTION_KEYS.`);
    if (stopping.signal.aborted) print('Stopped before the end: run it again.');
    else if (unreadable > 0) {
      print(`${unreadable} can't be read and stay as they are; the log says which. No older version may go.`);
    } else print('Nothing is stored under another version: older ones may go.');
  }
  if (!isDone) process.exitCode = 1;
}

const QUEUES = { webhooks: 'webhook', runs: 'run', claims: 'claim' } as const;
/** What is stored under which of the operator's secrets. */
const STORED = {
  apiKeys: ['api_key_pepper', 'pepper'],
  gatewayTokens: ['gateway_token_pepper', 'pepper'],
  dataKeys: ['tenant_data_key', 'encryption key'],
  webhookSecrets: ['webhook_secret_key', 'encryption key'],
} as const;

/** What is due in the queues, and how far a rotation is: what the metrics show, for a person. Changes nothing. */
export async function status(options: OutputOptions): Promise<void> {
  const { queues, stored } = await withDatabase(async (database, _ring, { ledgerRetentionDays: days }) => ({
    queues: {
      ...(await read(QUEUES, (name) => queueState(database, name))),
      // Months that wait to be dropped.
      ...(days === 0 ? {} : { ledger: await queueState(database, 'ledger', [days]) }),
    },
    stored: await read(STORED, async ([name, secret]) =>
      (await versionCounts(database, name)).map(([version, secrets]) => ({ secret, version, secrets })),
    ),
  }));
  show(options, { queues, stored }, () =>
    [
      ...Object.entries(queues).map(
        ([name, { depth, oldestSeconds }]) =>
          `${name}: ${depth} due${depth === 0 ? '' : `, for ${Math.round(oldestSeconds)} s`}`,
      ),
      ...Object.entries(stored).flatMap(([name, versions]) =>
        versions.map(({ secret, version, secrets }) => `${name}: ${secrets} need version ${version} of the ${secret}`),
      ),
    ].join('\n'),
  );
}

async function read<Name extends string, Asked, Told>(
  all: Readonly<Record<Name, Asked>>,
  ask: (asked: Asked) => Promise<Told>,
): Promise<Record<Name, Told>> {
  const told: [string, Told][] = [];
  for (const [name, asked] of Object.entries<Asked>(all)) told.push([name, await ask(asked)]);
  return Object.fromEntries(told) as Record<Name, Told>;
}

function withDatabase<T>(
  work: (database: Database, ring: EncryptionKeyRing, settings: Settings) => Promise<T>,
): Promise<T> {
  return withSettings(async (settings) => {
    const database = new Database(settings);
    try {
      return await work(database, new EncryptionKeyRing(settings.encryptionKeys), settings);
    } finally {
      await database.close();
    }
  });
}
