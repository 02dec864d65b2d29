/**
 * The whole service for tests, over real HTTP. `startService` runs it in this process, composed as in production;
 * `startServiceProcess` runs the build as operators do. Both have the same methods to call it, sign people in, make orgs and
 * keys, and read the database.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createApplication } from '../../src/app/application.js';
import { productionParts } from '../../src/app/production-parts.js';
import { PlatformProviderTenants } from '../../src/llm/index.js';
import type { Settings } from '../../src/platform/config/index.js';
import { eventually } from './eventually.js';
import { GoogleEndpoints } from './google-endpoints.js';
import { OpenaiUpstream } from './openai-upstream.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { testSettings } from './settings.js';
import { COMPILE_CACHE, PROVIDER_SECRET, ServiceClient, type Org } from './service-client.js';
import { TestIssuer } from './tokens.js';

export * from './service-client.js';

const ROOT = process.cwd();

/** The resources that a second replica shares with the first; their creator stops them. */
export interface Shared {
  readonly database?: TestDatabase;
  readonly issuer?: TestIssuer;
  readonly upstream?: OpenaiUpstream;
  /** Firebase's accounts; every user that a test does not mention exists there. */
  readonly google?: GoogleEndpoints;
}

export interface ServiceOptions extends Shared {
  readonly settings?: Partial<Settings>;
  /** Modules of the test's own beside the service's: rooms that the service does not have yet. */
  readonly rooms?: readonly Type[];
}

export class TestService extends ServiceClient {
  readonly google: GoogleEndpoints;

  constructor(
    readonly app: NestFastifyApplication,
    readonly settings: Settings,
    surroundings: Required<Shared>,
    private readonly stopAll: () => Promise<void>,
  ) {
    const { port } = app.getHttpServer().address() as AddressInfo;
    super(`http://127.0.0.1:${port}`, surroundings.database, surroundings.issuer, surroundings.upstream);
    this.google = surroundings.google;
  }

  /** The claims that the service wrote through firebase-admin, by user. */
  get claims(): ReadonlyMap<string, Record<string, unknown>> {
    return this.google.claims;
  }

  /** @param options.provider false: the tenant may not spend the platform's own provider credentials */
  override async createOrg(user: string, name?: string, options: { provider?: boolean } = {}): Promise<Org> {
    const org = await super.createOrg(user, name);
    if (options.provider !== false) this.app.get(PlatformProviderTenants).allow(org.tenantId);
    return org;
  }

  /** Stops the service and the resources that were started for it. */
  stop(): Promise<void> {
    return this.stopAll();
  }
}

/**
 * Starts the service in this process on a free port. It is production's, except for addresses: ID tokens are verified with the
 * issuer's JWKS, firebase-admin calls a stand-in for Google, completions go to `upstream`.
 */
export async function startService(options: ServiceOptions = {}): Promise<TestService> {
  const cleanup: (() => Promise<unknown>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const step of cleanup.splice(0).reverse()) await step();
  };
  try {
    const surroundings = await surroundingsOf(options, cleanup);
    const { database, issuer, upstream, google } = surroundings;
    const settings = testSettings({
      databaseUrl: database.ownerUrl,
      firebaseProjectId: issuer.audience,
      firebaseJwksUrl: issuer.jwksUrl,
      firebaseServiceAccount: google.accountFile,
      openaiBaseUrl: upstream.baseUrl,
      openaiApiKey: PROVIDER_SECRET,
      // Long, so that a test stays in one window; a test about windows shortens it.
      rateWindowSeconds: 60,
      ...options.settings,
    });
    const { modules } = productionParts(settings, { agent: google.agent() });
    const app = await createApplication(settings, { modules: [...modules, ...(options.rooms ?? [])] });
    cleanup.push(() => app.close());
    await app.listen(0, '127.0.0.1');
    return new TestService(app, settings, surroundings, stopAll);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function surroundingsOf(given: Shared, cleanup: (() => Promise<unknown>)[]): Promise<Required<Shared>> {
  const database = given.database ?? (await createTestDatabase());
  if (given.database === undefined) cleanup.push(() => database.drop());
  const issuer = given.issuer ?? (await TestIssuer.start());
  if (given.issuer === undefined) cleanup.push(() => issuer.stop());
  const upstream = given.upstream ?? (await OpenaiUpstream.start());
  if (given.upstream === undefined) cleanup.push(() => upstream.close());
  const google = given.google ?? (await GoogleEndpoints.start({ projectId: issuer.audience, issuer }));
  if (given.google === undefined) cleanup.push(() => google.stop());
  return { database, issuer, upstream, google };
}

// ---------------------------------------------------------------------------------------------------- processes

export interface ProcessOptions extends Shared {
  /** Replaces the defaults; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Tenants that may spend the platform's own provider credentials. */
  readonly providerTenants?: readonly string[];
  /** Node's own arguments, e.g. `--import`. */
  readonly nodeArguments?: readonly string[];
  /** Another build of the service; absent: dist/, brought up to date. */
  readonly main?: string;
}

export interface Exit {
  /** null: killed by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A started service process, or one that ended by itself. */
export class RunningProcess {
  stdout = '';
  stderr = '';
  readonly exited: Promise<Exit>;

  constructor(
    private readonly child: ChildProcess,
    readonly folder: string,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = once(child, 'close').then(async ([code]) => {
      await rm(folder, { recursive: true, force: true });
      return { code: code as number | null, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The log's whole lines, without what else was printed. */
  get log(): Record<string, unknown>[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Stops it as an orchestrator does. */
  stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.exited;
  }

  /** Ends it as the kernel, or a power cut, does. */
  kill9(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }
}

export class ServiceProcess extends ServiceClient {
  constructor(
    readonly process: RunningProcess,
    port: number,
    surroundings: Required<Shared>,
    private readonly cleanup: (() => Promise<unknown>)[],
  ) {
    super(`http://127.0.0.1:${port}`, surroundings.database, surroundings.issuer, surroundings.upstream);
  }

  /** SIGTERM, then stops the resources that were started for it. */
  async stop(): Promise<Exit> {
    const exit = await this.process.stop();
    await this.clean();
    return exit;
  }

  /** SIGKILL, unless it has ended; stops the same resources, which would keep Jest from ending. */
  async kill9(): Promise<Exit> {
    const exit = await this.process.kill9();
    await this.clean();
    return exit;
  }

  private async clean(): Promise<void> {
    for (const step of this.cleanup.splice(0).reverse()) await step();
  }
}

const PROCESS_SIGNING_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
/** The replicas of one spec share it. */
const PROCESS_PEPPERS = `1:${Buffer.alloc(32, 7).toString('base64url')}`;
const PROCESS_ENCRYPTION_KEYS = `1:${Buffer.alloc(32, 9).toString('base64url')}`;

/**
 * The environment of a production process with these resources, and nothing of the test's own environment except PATH. Without
 * `google`, no user can sign in.
 */
export function productionEnvironment(
  { database, issuer, upstream, google }: Omit<Required<Shared>, 'google'> & Pick<Shared, 'google'>,
  providerTenants: readonly string[] = [],
): Record<string, string> {
  return {
    PORT: '0',
    HOST: '127.0.0.1',
    METRICS_PORT: '0',
    // There is no load balancer, and each stop would take this time.
    GATEHOUSE_LAME_DUCK_SECONDS: '0',
    DATABASE_URL: database.ownerUrl,
    DATABASE_POOL_SIZE: '5',
    // Specs make many mistakes on purpose, all from one address.
    GATEHOUSE_FAILED_AUTHENTICATIONS_PER_MINUTE: '1000000',
    GATEHOUSE_PEPPERS: PROCESS_PEPPERS,
    GATEHOUSE_ENCRYPTION_KEYS: PROCESS_ENCRYPTION_KEYS,
    GATEHOUSE_SIGNING_KEYS: PROCESS_SIGNING_KEY,
    FIREBASE_PROJECT_ID: issuer.audience,
    FIREBASE_JWKS_URL: issuer.jwksUrl,
    OPENAI_BASE_URL: upstream.baseUrl,
    OPENAI_API_KEY: PROVIDER_SECRET,
    PLATFORM_PROVIDER_TENANTS: providerTenants.join(','),
    ...google?.environment(),
  };
}

const AS_NPM_START = [
  '--enable-source-maps',
  '--max-semi-space-size=32',
  '--heap-growing-percent=20',
  '--no-allocation-site-pretenuring',
];

/** Starts a process in an empty folder of its own and does not wait for it. */
export async function spawnService(
  env: Readonly<Record<string, string | undefined>>,
  { nodeArguments = [], main }: Pick<ProcessOptions, 'nodeArguments' | 'main'> = {},
): Promise<RunningProcess> {
  if (main === undefined) bringBuildUpToDate();
  // The embedded Postgres of a development process runs as another user, who must be able to enter the folder.
  const folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-process-'));
  await chmod(folder, 0o711);
  const entry = main ?? path.join(ROOT, 'dist', 'main.js');
  const child = spawn(process.execPath, [...AS_NPM_START, ...nodeArguments, entry], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new RunningProcess(child, folder);
}

/**
 * Starts the built service as a process of its own, in production on a fresh database unless `env` says otherwise
 * (`GATEHOUSE_DEV: '1'`: development), and waits until it is ready.
 */
export async function startServiceProcess(options: ProcessOptions = {}): Promise<ServiceProcess> {
  const cleanup: (() => Promise<unknown>)[] = [];
  const surroundings = await surroundingsOf(options, cleanup);
  const env = {
    GATEHOUSE_MOST_REQUESTS_PER_MINUTE: '1000000000',
    ...productionEnvironment(surroundings, options.providerTenants),
    ...options.env,
  };
  const running = await spawnService(env, options);
  try {
    return new ServiceProcess(running, await readyPort(running), surroundings, cleanup);
  } catch (error) {
    if (!running.hasExited) await running.kill9();
    for (const step of cleanup.reverse()) await step();
    throw error;
  }
}

/** The port, once the process accepts requests; in development its quickstart is written by then too. */
async function readyPort(running: RunningProcess): Promise<number> {
  let ready: Record<string, unknown> | undefined;
  await eventually(() => {
    if (running.hasExited) return true;
    ready = running.log.find(({ msg }) => msg === 'Gatehouse is ready.');
    if (ready === undefined) return false;
    return ready['mode'] === 'production' || running.stdout.includes('For scripts:');
  }, 60_000);
  if (running.hasExited || ready === undefined) {
    const { code, stdout, stderr } = await running.exited;
    throw new Error(`The service ended with ${code} instead of starting:\n${stdout}${stderr}`);
  }
  return ready['port'] as number;
}

let built = false;

/** Builds dist/ where a source changed; checks once for each spec file. */
export function bringBuildUpToDate(): void {
  if (built) return;
  const { status, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'scripts', 'build.mjs')], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (status !== 0) throw new Error(`The build failed:\n${stderr}`);
  built = true;
}
