import path from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ConfiguredSettings, Settings } from '../platform/config/index.js';
import type { ModeParts } from './app.module.js';
import { logger } from '../platform/logging/index.js';
import { productionParts } from './production-parts.js';

/** The embedded Postgres, as far as the start and stop of the service know it. */
export interface EmbeddedDatabase {
  readonly ownerUrl: string;
  stop(): Promise<void>;
}

/** What a mode brings before the application is built, and what it does once that listens. */
export interface PreparedMode {
  readonly settings: Settings;
  readonly parts: ModeParts;
  readonly embedded: EmbeddedDatabase | null;
  readonly progress: (line: string) => void;
  readonly ready: (app: NestFastifyApplication, baseUrl: string) => Promise<void>;
}

/**
 * Fills in what the mode makes. The development issuer, its routes and its secrets are code that production never loads:
 * they are not refused there, they are not there.
 */
export async function prepare(configured: ConfiguredSettings): Promise<PreparedMode> {
  if (configured.mode === 'production') return prepareProduction(configured);
  const { loadDevelopmentSecrets, loadServiceParts, startEmbeddedPostgres } = await import('../development/index.js');
  const { developmentParts, quickstart } = await loadServiceParts();

  const progress = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  const secrets = await loadDevelopmentSecrets(configured.home);
  let embedded: EmbeddedDatabase | null = null;
  if (configured.databaseUrl === undefined) {
    const directory = path.join(configured.home, 'postgres');
    progress(`Starting the embedded Postgres in ${path.relative(process.cwd(), directory) || directory} …`);
    const started = await startEmbeddedPostgres({ directory });
    if (started.location !== directory)
      progress(`Its data is in ${started.location}: its user can't reach the first place.`);
    embedded = started;
  }
  const settings: Settings = Object.freeze({
    ...configured,
    databaseUrl: embedded?.ownerUrl ?? configured.databaseUrl ?? '',
    embeddedDatabase: embedded !== null,
    peppers: configured.peppers ?? secrets.peppers,
    encryptionKeys: configured.encryptionKeys ?? secrets.encryptionKeys,
    signingKeys: configured.signingKeys ?? secrets.signingKeysPem,
  });
  return {
    settings,
    parts: developmentParts(settings, secrets),
    embedded,
    progress,
    ready: (app, baseUrl) => quickstart(app, settings, baseUrl),
  };
}

function prepareProduction(configured: ConfiguredSettings): PreparedMode {
  const { databaseUrl, peppers, encryptionKeys, signingKeys } = configured;
  // The loader has named every missing setting already; this tells the compiler.
  const isIncomplete = peppers === undefined || encryptionKeys === undefined || signingKeys === undefined;
  if (databaseUrl === undefined || isIncomplete) {
    throw new TypeError('Production settings are incomplete.');
  }
  const settings: Settings = Object.freeze({
    ...configured,
    databaseUrl,
    peppers,
    encryptionKeys,
    signingKeys,
    embeddedDatabase: false,
  });
  return {
    settings,
    parts: productionParts(settings),
    embedded: null,
    progress: (line) => logger.info(line),
    ready: () => Promise.resolve(),
  };
}
