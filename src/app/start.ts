import { Server } from 'node:net';
import path from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { loadProcessSettings, type Settings } from '../platform/config/index.js';
import { parseSigningKeys } from '../platform/crypto/index.js';
import { assertIsolation, assertMigrated, Database, migrate } from '../platform/database/index.js';
import { OperatorError } from '../platform/errors/index.js';
import { Drain } from '../platform/http/index.js';
import { flushRequestLog, logger } from '../platform/logging/index.js';
import { Tokenizer } from '../llm/index.js';
import { UsageLedger } from '../usage/index.js';
import { createApplication } from './application.js';
import { Startup } from './startup.js';
import { prepare, type EmbeddedDatabase } from './mode.js';

/** Migrations and functions. */
const DATABASE_SOURCES = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'prisma');
/** Within this time the request of a connection that was just accepted is there. */
const ACCEPTED_MS = 500;
/** How long calls that were told to end may take to do so. */
const LAST_WORDS_MS = 2000;

/**
 * Starts the service from the process's settings. Whatever an operator can mend (a setting, a taken port, a database that
 * is down) ends the process with plain sentences and exit code 1.
 */
export async function start(): Promise<void> {
  try {
    await startUnguarded();
  } catch (error) {
    process.stderr.write(`${plainSentence(error)}\n`);
    process.exit(1);
  }
}

async function startUnguarded(): Promise<void> {
  const { settings: configured, warnings } = loadProcessSettings();
  logger.level = configured.logLevel;
  for (const warning of warnings) logger.warn(warning);

  const stopping = new Stopping(configured);
  const mode = await prepare(configured);
  stopping.embedded = mode.embedded;
  try {
    const { settings } = mode;
    parseSigningKeys(settings.signingKeys);
    await prepareDatabase(settings, mode.progress);
    const app = await createApplication(settings, mode.parts);
    stopping.app = app;
    const startup = app.get(Startup);
    startup.isDone = false;
    // What would hold up the first requests happens before them.
    await Promise.all([app.get(Database).open(), app.get(Tokenizer).load()]);
    await listen(app, settings);
    const { port } = app.getHttpServer().address() as { port: number };
    logger.info({ mode: settings.mode, host: settings.host, port }, 'Gatehouse is ready.');
    await mode.ready(app, settings.publicUrl ?? `http://${printable(settings.host)}:${port}`);
    startup.isDone = true;
  } catch (error) {
    await mode.embedded?.stop().catch(() => undefined);
    throw error;
  }
}

async function prepareDatabase(settings: Settings, tell: (line: string) => void): Promise<void> {
  const { databaseUrl, databaseRolePrefix: prefix } = settings;
  let ahead: readonly string[];
  if (settings.migrate === 'off') ahead = await assertMigrated(databaseUrl, DATABASE_SOURCES, prefix);
  else {
    const migrated = await migrate(databaseUrl, DATABASE_SOURCES, tell, prefix);
    ahead = migrated.ahead;
    const { length } = migrated.applied;
    if (length > 0) tell(`Applied ${length} database migration${length === 1 ? '' : 's'}.`);
  }
  if (ahead.length === 0) await assertIsolation(databaseUrl, DATABASE_SOURCES, prefix);
  else logger.warn({ ahead }, 'A newer version of Gatehouse migrated the database; this one serves beside it.');
}

async function listen(app: NestFastifyApplication, { port, host }: Settings): Promise<void> {
  try {
    // Not through Nest, which logs a failure here at length before it is told in one sentence below.
    await app.getHttpAdapter().getInstance().listen({ port, host });
  } catch (error) {
    await app.close().catch(() => undefined);
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new OperatorError(`Port ${port} on ${host} is taken; set PORT to another one.`);
    if (code === 'EACCES')
      throw new OperatorError(`Port ${port} may not be used by this user; set PORT to one above 1023.`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new OperatorError(`HOST is ${host}, which is not an address of this machine.`);
    throw error;
  }
}

/**
 * The first signal drains and stops whatever is up by then, a half-started service too; a second one does not wait.
 */
class Stopping {
  app: NestFastifyApplication | null = null;
  embedded: EmbeddedDatabase | null = null;
  private begun = false;

  constructor(private readonly settings: Pick<Settings, 'lameDuckSeconds' | 'drainSeconds'>) {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.onSignal(signal));
  }

  private onSignal(signal: NodeJS.Signals): void {
    if (this.begun) {
      logger.warn({ signal }, 'Stopping at once.');
      process.exit(1);
    }
    this.begun = true;
    logger.info({ signal }, 'Stopping: open calls may finish.');
    this.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'The service did not stop in good order.');
        process.exit(1);
      },
    );
  }

  private async stop(): Promise<void> {
    if (this.app !== null) await this.drain(this.app);
    const server = this.app?.getHttpServer();
    // No request is open any more; what is left are connections on which nothing, or only half of something, was asked.
    server?.close();
    server?.closeAllConnections();
    await this.app?.close();
    await this.embedded?.stop();
    flushRequestLog();
    logger.info('Stopped.');
  }

  private async drain(app: NestFastifyApplication): Promise<void> {
    const drain = app.get(Drain);
    drain.begin();
    const drainMs = this.settings.drainSeconds * 1000;
    // Load balancers see the 503 of readiness at their next checks, and send requests until then.
    const server = app.getHttpServer();
    const lameDuckMs = server.listening ? this.settings.lameDuckSeconds * 1000 : 0;
    await setTimeout(lameDuckMs);
    // Right after the event loop has taken what waited to be accepted: closing would reset it.
    await setImmediate();
    // A proxy that asks for no readiness goes to another replica where this one refuses; otherwise its requests would never end.
    // The HTTP server's own close would also end connections that were just accepted, and whose request is not read yet.
    Server.prototype.close.call(server);
    await setTimeout(Math.min(lameDuckMs, ACCEPTED_MS));
    server.closeIdleConnections();
    const deadlineMs = performance.now() + drainMs;
    await drain.run(drainMs, LAST_WORDS_MS);
    // What calls used waits for a database that is away, as long as calls might have gone on.
    await Promise.race([app.get(UsageLedger).flush(), setTimeout(Math.max(0, deadlineMs - performance.now()))]);
  }
}

function plainSentence(error: unknown): string {
  if (!(error instanceof Error)) return 'Gatehouse could not start.';
  if (!(error instanceof OperatorError)) logger.debug({ err: error }, 'start');
  return error.message;
}

function printable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
