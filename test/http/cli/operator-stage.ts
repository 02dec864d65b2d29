/** What an operator has: a folder, a database and the settings of production, but no running service. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CommandHost, type Ran } from '../../support/commands.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import type { TestDatabase } from '../../support/postgres.js';
import { productionEnvironment } from '../../support/service.js';
import { TestIssuer } from '../../support/tokens.js';

export class OperatorStage {
  private constructor(
    readonly folder: string,
    readonly commands: CommandHost,
    readonly database: TestDatabase,
    readonly issuer: TestIssuer,
    readonly upstream: OpenaiUpstream,
  ) {}

  static async start(createDatabase: () => Promise<TestDatabase>): Promise<OperatorStage> {
    return new OperatorStage(
      await mkdtemp(path.join(os.tmpdir(), 'gatehouse-operator-')),
      await CommandHost.start(),
      await createDatabase(),
      await TestIssuer.start(),
      await OpenaiUpstream.start(),
    );
  }

  async stop(): Promise<void> {
    await this.commands.stop();
    await this.upstream.close();
    await this.issuer.stop();
    await this.database.drop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Runs with production's settings, which are complete unless `env` removes some. */
  run(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Promise<Ran> {
    return this.commands.run(args, {
      cwd: this.folder,
      env: { FIREBASE_SERVICE_ACCOUNT: '/run/firebase.json', ...productionEnvironment(this), ...env },
    });
  }
}
