import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { PepperRing } from '../platform/crypto/index.js';
import { Database } from '../platform/database/index.js';
import { OperatorError } from '../platform/errors/index.js';
import { logger } from '../platform/logging/index.js';

const CHECK = { name: 'check_peppers', text: 'SELECT * FROM check_peppers($1, $2)' };
/** What is hashed under each pepper. Begins as no key and no other hashed text does. */
const FIXED_TEXT = 'pepper-check\0';

interface UnusablePepper {
  readonly version: number;
  /** Of keys that are neither revoked nor expired. */
  readonly secrets: number;
  readonly configured: boolean;
}

/**
 * Says at the start which stored keys no configured pepper recognises; their holders would hear no more than 401.
 *
 * A version that is gone is an error in the log: an operator may have dropped it on purpose. A version whose
 * secret was changed is a mistake that refuses every key: in production the service does not start. In development the
 * secrets are made anew where their file was deleted, and the service starts.
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

/** The peppers with which live keys are hashed and that are not configured, or with another secret; each in a sentence. */
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
