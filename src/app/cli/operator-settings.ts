import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadProcessSettings, type ConfiguredSettings, type Settings } from '../../platform/config/index.js';
import { OperatorError } from '../../platform/errors/index.js';

/** Migrations and functions; from src/ and from dist/ the same number of folders up. */
export const DATABASE_SOURCES = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'prisma');

/**
 * Does `work` with the settings of the service, complete. In development the embedded Postgres is the one of the running
 * service; where none runs it is started, and stopped afterwards.
 *
 * @throws OperatorError
 */
export async function withSettings<T>(work: (settings: Settings) => Promise<T>): Promise<T> {
  return withCompleted(loadProcessSettings().settings, work);
}

/** The same, for settings that were loaded already. */
export async function withCompleted<T>(
  configured: ConfiguredSettings,
  work: (settings: Settings) => Promise<T>,
): Promise<T> {
  const { databaseUrl, peppers, encryptionKeys, signingKeys } = configured;
  if (configured.mode === 'production') {
    if (databaseUrl === undefined || !peppers || !encryptionKeys || signingKeys === undefined) {
      throw new OperatorError('The settings of the service are incomplete: `gatehouse doctor` names what is missing.');
    }
    return work({ ...configured, databaseUrl, peppers, encryptionKeys, signingKeys, embeddedDatabase: false });
  }
  const directory = path.join(configured.home, 'postgres');
  // No database is made here: an operator who forgot production's settings would get answers from an empty one.
  if (databaseUrl === undefined && !existsSync(directory)) {
    throw new OperatorError(
      `DATABASE_URL is not set, and there is no development database in ${directory}. Set DATABASE_URL for production; for development run \`npm start\` first.`,
    );
  }
  const development = await import('../../development/index.js');
  const secrets = await development.loadDevelopmentSecrets(configured.home);
  const own = {
    peppers: peppers ?? secrets.peppers,
    encryptionKeys: encryptionKeys ?? secrets.encryptionKeys,
    signingKeys: signingKeys ?? secrets.signingKeysPem,
  };
  if (databaseUrl !== undefined) return work({ ...configured, ...own, databaseUrl, embeddedDatabase: false });
  const running = await development.findRunningPostgres(directory);
  if (running !== null) return work({ ...configured, ...own, databaseUrl: running, embeddedDatabase: true });
  const started = await development.startEmbeddedPostgres({ directory });
  try {
    return await work({ ...configured, ...own, databaseUrl: started.ownerUrl, embeddedDatabase: true });
  } finally {
    await started.stop();
  }
}
