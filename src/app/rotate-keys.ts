import 'reflect-metadata';
import { loadProcessSettings, type ConfiguredSettings } from '../platform/config/index.js';
import { EncryptionKeyRing } from '../platform/crypto/index.js';
import { Database } from '../platform/database/index.js';
import { DataKeyRewrap } from '../platform/encryption/index.js';
import { webhookSecretRewrap } from '../webhooks/index.js';

// `npm run rotate-keys`: moves what is stored to the newest of GATEHOUSE_ENCRYPTION_KEYS, and says when the others may go.
// Stopped half-way it is run again; the service may run meanwhile.
const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());

try {
  process.exitCode = await rotate(loadProcessSettings().settings, stopping.signal);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function rotate(settings: ConfiguredSettings, signal: AbortSignal): Promise<number> {
  const { databaseUrl, encryptionKeys, peppers, signingKeys } = settings;
  if (databaseUrl === undefined || encryptionKeys === undefined || peppers === undefined || signingKeys === undefined) {
    process.stderr.write(
      'Set what the service is configured with, DATABASE_URL among it: this works on its database.\n',
    );
    return 1;
  }
  const configured = { databaseUrl, encryptionKeys, peppers, signingKeys, embeddedDatabase: false };
  const database = new Database({ ...settings, ...configured });
  const ring = new EncryptionKeyRing(encryptionKeys);
  try {
    const parts = [
      await new DataKeyRewrap(database, ring).run(signal),
      await webhookSecretRewrap(database, ring).run(signal),
    ];
    const moved = parts.reduce((sum, part) => sum + part.moved, 0);
    const unreadable = parts.reduce((sum, part) => sum + part.unreadable, 0);
    process.stdout.write(`${moved} moved to version ${ring.newestVersion} of GATEHOUSE_ENCRYPTION_KEYS.\n`);
    if (signal.aborted) {
      process.stdout.write('Stopped before the end: run it again.\n');
      return 1;
    }
    if (unreadable > 0) {
      process.stdout.write(
        `${unreadable} can't be read and stay as they are; the log says which. No older version may go.\n`,
      );
      return 1;
    }
    process.stdout.write('Nothing is stored under another version: older ones may go.\n');
    return 0;
  } finally {
    await database.close();
  }
}
