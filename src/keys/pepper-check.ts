import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { PepperRing } from '../platform/crypto/index.js';
import { Database } from '../platform/database/index.js';
import { OperatorError } from '../platform/errors/index.js';
import { logger } from '../platform/logging/index.js';

const CHECK = { name: 'check_peppers', text: 'SELECT * FROM check_peppers($1, $2)' };
/** Hashed under each pepper. No key, and no other hashed text, begins like it. */
const FIXED_TEXT = 'pepper-check\0';

interface UnusablePepper {
  readonly version: number;
  /** Counts keys that are neither revoked nor expired. */
  readonly secrets: number;
  readonly configured: boolean;
}

/**
 * Reports at the start the stored keys that no configured pepper recognises; their holders would only get 401.
 *
 * A missing version is an error in the log, since an operator may have dropped it on purpose. A version with a changed secret
 * is a mistake that refuses every key: in production the service does not start. In development it starts, since the secrets
 * are made anew when their file is deleted.
 */
@Injectable()
export class PepperCheck implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly peppers: PepperRing,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'mode'>,
  ) {}

  /** @throws OperatorError */
  async onApplicationBootstrap(): Promise<void> {
    for (const { version, secrets, configured, message } of await findPepperProblems(this.database, this.peppers)) {
      if (configured && this.settings.mode === 'production') throw new OperatorError(message);
      logger.error({ setting: 'GATEHOUSE_PEPPERS', pepperVersion: version, secrets }, message);
    }
  }
}

/** The peppers of live keys that are not configured, or have another secret; each as a sentence. */
export async function findPepperProblems(
  database: Database,
  peppers: PepperRing,
): Promise<(UnusablePepper & { readonly message: string })[]> {
  const hashes = peppers.candidates(FIXED_TEXT);
  const unusable = await database.call<UnusablePepper & Record<string, unknown>>(CHECK, [
    hashes.map(({ version }) => version),
    hashes.map(({ hash }) => hash),
  ]);
  return unusable.map(({ version, secrets, configured }) => {
    const message = configured ? changed(version, secrets) : missing(version, secrets);
    return { version, secrets, configured, message };
  });
}

function missing(version: number, secrets: number): string {
  return (
    `GATEHOUSE_PEPPERS does not have version ${version}, with which ${countOf(secrets)} hashed: each use is refused. ` +
    'Add that version behind the others, or revoke those keys and make new ones.'
  );
}

function changed(version: number, secrets: number): string {
  return (
    `GATEHOUSE_PEPPERS has another secret for version ${version} than the one with which ${countOf(secrets)} hashed: ` +
    'each use would be refused. Set the secret from before, and give a new one a higher version of its own.'
  );
}

function countOf(secrets: number): string {
  return secrets === 1 ? '1 live API key secret was' : `${secrets} live API key secrets were`;
}
