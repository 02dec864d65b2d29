/**
 * A backup is restored into an empty cluster without Gatehouse's roles: the service starts on it, accepts the same key, and
 * returns the same totals. A dump that only pg_restore has restored is refused at the start.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { settledCalls } from '../http/ledger.js';
import { gatehouse, type Ran } from '../support/commands.js';
import { DebianPostgres } from '../support/debian-postgres.js';
import { EmbeddedClusters } from '../support/embedded-clusters.js';
import { OpenaiUpstream, UPSTREAM_MODEL } from '../support/openai-upstream.js';
import type { TestDatabase } from '../support/postgres.js';
import { productionEnvironment, spawnService, startServiceProcess, type ServiceProcess } from '../support/service.js';
import { onDatabase, rowsOf, seedTenant } from '../support/sql.js';
import { TestIssuer } from '../support/tokens.js';

const BACKUP_PASSWORD = 'of-the-backup';

type Cluster = Pick<DebianPostgres, 'createDatabase' | 'superuserUrl' | 'asSuperuser' | 'stop'>;

/** Postgres' programs work with a server of their own version. */
const CLIENT = Number(/\d+/.exec(spawnSync('pg_dump', ['--version'], { encoding: 'utf8' }).stdout)?.[0]);
const start = (): Promise<Cluster> => (CLIENT >= 18 ? embedded() : DebianPostgres.start());

async function embedded(): Promise<Cluster> {
  const clusters = await EmbeddedClusters.create();
  const { ownerUrl, superuserUrl } = await clusters.start();
  const at = (url: string, name: string): string => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const asSuperuser = (sql: string): Promise<unknown> => onDatabase(superuserUrl, (client) => client.query(sql));
  return {
    asSuperuser,
    superuserUrl: (name = 'postgres') => at(superuserUrl, name),
    createDatabase: (name) => asSuperuser(`CREATE DATABASE ${name} OWNER gatehouse`).then(() => at(ownerUrl, name)),
    stop: () => clusters.remove(),
  };
}

let source: Cluster;
let target: Cluster;
let folder: string;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-backup-'));
  [issuer, upstream] = await Promise.all([TestIssuer.start(), OpenaiUpstream.start()]);
});

afterAll(async () => {
  await Promise.all([issuer.stop(), upstream.close()]);
  await rm(folder, { recursive: true, force: true });
});

async function databaseOf(cluster: Cluster, name: string): Promise<TestDatabase> {
  return {
    ownerUrl: await cluster.createDatabase(name),
    superuserUrl: cluster.superuserUrl(name),
    drop: () => Promise.resolve(),
  };
}

const command = (database: TestDatabase, env: Record<string, string>, ...args: string[]): Promise<Ran> =>
  gatehouse(args, { cwd: folder, env: { ...productionEnvironment({ database, issuer, upstream }), ...env } });

/** The contents of the ledger and the other tables. */
const totals = (database: TestDatabase): Promise<unknown> =>
  rowsOf(
    database.superuserUrl,
    `SELECT (SELECT count(*) FROM usage_records) AS calls, (SELECT sum(input_tokens + output_tokens) FROM usage_records) AS tokens,
            (SELECT count(*) FROM api_keys) AS keys, (SELECT count(*) FROM humans) AS humans,
            (SELECT count(*) FROM audit_events) AS audit`,
  );

const call = (service: ServiceProcess, key: string): Promise<{ status: number }> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': key, 'x-human-id': 'ann' },
    body: { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] },
  });

afterEach(() => Promise.all([source.stop(), target.stop()]));

it('a restored service continues, with the same roles, rights and policies', async () => {
  [source, target] = await Promise.all([start(), start()]);
  const before = await databaseOf(source, 'before');
  const surroundings = { issuer, upstream };
  let service = await startServiceProcess({ ...surroundings, database: before });
  const { orgId, tenantId, ownerId } = await seedTenant(before.superuserUrl);
  await service.stop();
  const providerTenants = [tenantId];
  service = await startServiceProcess({ ...surroundings, database: before, providerTenants });
  const { key } = await service.createKey({ orgId, tenantId, user: ownerId }, { scopes: ['chat:write', 'usage:read'] });
  for (let count = 0; count < 5; count += 1) expect((await call(service, key)).status).toBe(200);
  await settledCalls(service, 5);
  await service.stop();

  const file = path.join(folder, 'gatehouse.dump');
  const refused = await command(before, {}, 'backup', file);
  expect(refused).toMatchObject({ status: 1, stdout: '' });
  expect(refused.stderr).toContain('CREATE ROLE gatehouse_backup LOGIN BYPASSRLS');

  await source.asSuperuser(
    `CREATE ROLE gatehouse_backup LOGIN BYPASSRLS PASSWORD '${BACKUP_PASSWORD}'; GRANT pg_read_all_data TO gatehouse_backup`,
  );
  const backupUrl = new URL(before.ownerUrl);
  Object.assign(backupUrl, { username: 'gatehouse_backup', password: BACKUP_PASSWORD });
  const saved = await command(before, { DATABASE_BACKUP_URL: backupUrl.href }, 'backup', file);
  expect(saved).toMatchObject({ status: 0, stderr: '' });

  // The way of an operator who knows only pg_restore: without the roles, ignoring its errors.
  const bare = await databaseOf(target, 'bare');
  spawnSync('pg_restore', ['--no-owner', `--dbname=${bare.superuserUrl}`, file]);
  const { exited } = await spawnService(productionEnvironment({ database: bare, issuer, upstream }));
  const { code, stderr } = await exited;
  expect(code).toBe(1);
  expect(stderr).toMatch(/may not|does not keep tenants apart|could not be brought up to date/);

  const after = await databaseOf(target, 'after');
  const restored = await command(after, {}, 'restore', file);
  expect(restored).toMatchObject({ status: 0, stderr: '' });
  expect(await totals(after)).toEqual(await totals(before));
  expect((await command(after, {}, 'restore', file)).stderr).toContain('is not empty');

  const again = await startServiceProcess({ ...surroundings, database: after, providerTenants });
  try {
    expect((await call(again, key)).status).toBe(200);
    await settledCalls(again, 6);
    expect((await command(after, {}, 'doctor')).stdout).toMatch(
      /isolation\s+Policies, rights, owners and triggers are as/,
    );
  } finally {
    await again.stop();
  }
});
