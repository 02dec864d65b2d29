/**
 * A started service that the specs of one Jest worker share, one after another, each with orgs and people of its own. It is for
 * specs that need no settings of their own, and that neither change nor count other specs' data in the database. The service is
 * a process of the build: it starts with the first spec that uses it and ends with the run.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { GoogleEndpoints, type GoogleIdentity } from './google-endpoints.js';
import { OpenaiUpstream } from './openai-upstream.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { COMPILE_CACHE, PROVIDER_SECRET, ServiceClient, type Org } from './service-client.js';
import { testEnvironment } from './settings.js';
import { TestIssuer, type SigningKey } from './tokens.js';

const PROCESS = path.join(process.cwd(), 'test/support/shared-service-process.mjs');

/** Fixed data of the service that each spec needs. */
interface Luggage {
  readonly database: Omit<TestDatabase, 'drop'>;
  readonly signingKey: SigningKey;
  readonly google: GoogleIdentity;
}

/** The ports of a spec's stand-ins. */
interface Ports {
  readonly issuer: number;
  readonly upstream: number;
  readonly google: number;
}

interface Address {
  /** The service's own port. */
  readonly port: number;
  readonly luggage: Luggage;
}

const NO_STAND_INS: Ports = { issuer: 0, upstream: 0, google: 0 };

export class SharedService extends ServiceClient {
  private readonly mark = randomBytes(4).toString('hex');
  private marks = 0;

  constructor(
    baseUrl: string,
    database: TestDatabase,
    issuer: TestIssuer,
    upstream: OpenaiUpstream,
    /** Firebase's accounts; every user that a test does not mention exists there. */
    readonly google: GoogleEndpoints,
    private readonly socketPath: string,
  ) {
    super(baseUrl, database, issuer, upstream);
  }

  /** The claims that the service wrote through firebase-admin, by user. */
  get claims(): ReadonlyMap<string, Record<string, unknown>> {
    return this.google.claims;
  }

  /** A part of a name that no other spec or test has, in lower-case letters and digits. People, slugs and the like need one. */
  unique(): string {
    this.marks += 1;
    return `${this.mark}${this.marks}`;
  }

  /** The tenant may spend the platform's own provider credentials. */
  override async createOrg(user = `founder-${this.unique()}`, name?: string): Promise<Org> {
    const org = await super.createOrg(user, name);
    await this.allowProvider(org.tenantId);
    return org;
  }

  async allowProvider(tenantId: string): Promise<void> {
    await ask(this.socketPath, 'POST', { tenantId });
  }

  /** Stops this spec's own resources. The service continues. */
  async stop(): Promise<void> {
    // A write that this spec did not wait for must not reach a later spec.
    await this.sql('DELETE FROM claim_writes');
    await ask(this.socketPath, 'PUT', NO_STAND_INS);
    await this.upstream.close();
    await this.google.stop();
    await this.issuer.stop();
  }
}

/** The service of this worker, with an issuer, a provider and Google's endpoints that are this spec's own. */
export async function sharedService(): Promise<SharedService> {
  const { socketPath, running } = FOUND;
  const { database, signingKey, google: identity } = running.luggage;
  const issuer = await TestIssuer.start(undefined, undefined, signingKey);
  const upstream = await OpenaiUpstream.start();
  const google = await GoogleEndpoints.start({ projectId: issuer.audience, issuer, identity });
  const ports: Ports = {
    issuer: portOf(issuer.jwksUrl),
    upstream: portOf(upstream.baseUrl),
    google: portOf(google.jwksUrl),
  };
  await ask(socketPath, 'PUT', ports);
  return new SharedService(
    `http://127.0.0.1:${running.port}`,
    // It is removed with the run's Postgres.
    { ...database, drop: () => Promise.resolve() },
    issuer,
    upstream,
    google,
    socketPath,
  );
}

/** Finds this worker's service, or starts it. */
async function find(): Promise<{ readonly socketPath: string; readonly running: Address }> {
  const folder = process.env['GATEHOUSE_TEST_FOLDER'];
  if (folder === undefined)
    throw new Error('No Postgres was started for this run, on which a shared service could be.');
  // Jest replaces a worker that has grown too large. The service of the earlier one may still be ending.
  const socketPath = path.join(folder, `shared-${process.pid}.sock`);
  return { socketPath, running: (await ask<Address>(socketPath, 'PUT', NO_STAND_INS)) ?? (await start(socketPath)) };
}

async function start(socketPath: string): Promise<Address> {
  const { ownerUrl, superuserUrl } = await createTestDatabase();
  const issuer = await TestIssuer.start();
  const google = await GoogleEndpoints.start();
  const given = {
    socketPath,
    accountFile: socketPath.replace(/\.sock$/, '.json'),
    account: google.serviceAccount(),
    authority: google.authority,
    environment: {
      ...testEnvironment(),
      DATABASE_URL: ownerUrl,
      FIREBASE_PROJECT_ID: issuer.audience,
      OPENAI_API_KEY: PROVIDER_SECRET,
      // Long, so that a test stays in one window.
      GATEHOUSE_RATE_WINDOW_SECONDS: '60',
    },
    luggage: { database: { ownerUrl, superuserUrl }, signingKey: issuer.signingKey, google: google.identity },
  };
  await google.stop();
  await issuer.stop();
  await begin(given);
  const address = await ask<Address>(socketPath, 'PUT', NO_STAND_INS);
  if (address === null) throw new Error('The shared service ended as soon as it was started.');
  return address;
}

/** Starts the process without waiting for it. It ends with this worker. */
async function begin(given: object): Promise<void> {
  const child = fork(PROCESS, [JSON.stringify(given)], {
    env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    const ended = (code: number | null): void =>
      reject(new Error(`The shared service ended with ${code} instead of starting.`));
    child.once('exit', ended).once('message', () => {
      child.off('exit', ended);
      resolve();
    });
  });
  child.unref();
  child.channel?.unref();
}

/** Null: no process listens there. */
function ask<T>(socketPath: string, method: string, body: object): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(JSON.parse(text) as T)).on('error', reject);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(null);
      else reject(error);
    });
    request.end(JSON.stringify(body));
  });
}

const portOf = (url: string): number => Number(new URL(url).port);

// Started while the spec loads, so that the start does not use up the time of the spec's first hook.
const FOUND = await find();
