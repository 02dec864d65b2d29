/** Postgres by TLS, with a certificate of a private authority: which servers the service trusts, and its errors about others. */
import { chown, chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { serverCertificate } from '../support/certificates.js';
import { gatehouse, type Ran } from '../support/commands.js';
import { DebianPostgres } from '../support/debian-postgres.js';
import { OpenaiUpstream } from '../support/openai-upstream.js';
import type { TestDatabase } from '../support/postgres.js';
import { productionEnvironment, spawnService, startServiceProcess } from '../support/service.js';
import { TestIssuer } from '../support/tokens.js';
import { unprivilegedUser } from '../support/unprivileged-user.js';

let folder: string;
let encrypted: DebianPostgres;
let plain: DebianPostgres;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let database: TestDatabase;
let plainUrl: string;

const file = (name: string): string => path.join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-tls-'));
  await chmod(folder, 0o711);
  const { key, cert, ca } = serverCertificate(['localhost']);
  await writeFile(file('ca.pem'), ca);
  await writeFile(file('another-ca.pem'), serverCertificate(['localhost']).ca);
  await writeFile(file('server.crt'), cert);
  await writeFile(file('server.key'), key, { mode: 0o600 });
  // Only the test's own superuser may connect without TLS.
  const rules = ['host all postgres 127.0.0.1/32 trust', 'hostssl all all 127.0.0.1/32 scram-sha-256', ''];
  await writeFile(file('hba.conf'), rules.join('\n'));
  const user = unprivilegedUser();
  if (user !== null) await chown(file('server.key'), user.uid, user.gid);
  encrypted = await DebianPostgres.start([
    'ssl=on',
    `ssl_cert_file=${file('server.crt')}`,
    `ssl_key_file=${file('server.key')}`,
    `hba_file=${file('hba.conf')}`,
  ]);
  plain = await DebianPostgres.start();
  [issuer, upstream] = await Promise.all([TestIssuer.start(), OpenaiUpstream.start()]);
  const ownerUrl = (await encrypted.createDatabase('gatehouse')).replace('127.0.0.1', 'localhost');
  database = { ownerUrl, superuserUrl: encrypted.superuserUrl('gatehouse'), drop: () => Promise.resolve() };
  plainUrl = await plain.createDatabase('gatehouse');
});

afterAll(async () => {
  await Promise.all([upstream.close(), issuer.stop(), encrypted.stop(), plain.stop()]);
  await rm(folder, { recursive: true, force: true });
});

const environment = (env: Record<string, string>): Record<string, string> => ({
  ...productionEnvironment({ database, issuer, upstream }),
  ...env,
});

const command = (env: Record<string, string>, ...args: string[]): Promise<Ran> =>
  gatehouse(args, { cwd: folder, env: environment(env) });

const atAddress = (): string => database.ownerUrl.replace('localhost', '127.0.0.1');

describe('with the right authority', () => {
  it('migrates, serves, listens and backs up, with every connection encrypted', async () => {
    const env = { DATABASE_CA_FILE: file('ca.pem') };
    expect(await command(env, 'migrate')).toMatchObject({ status: 0 });
    const service = await startServiceProcess({
      database,
      issuer,
      upstream,
      env: { ...env, GATEHOUSE_MIGRATE: 'off' },
    });
    try {
      const connections = await service.sql<{ ssl: boolean; count: number }>(
        `SELECT ssl, count(*)::int AS count FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE usename = 'gatehouse' GROUP BY ssl`,
      );
      expect(connections).toEqual([{ ssl: true, count: expect.any(Number) }]);
    } finally {
      await service.stop();
    }
    await encrypted.asSuperuser(
      "CREATE ROLE gatehouse_backup LOGIN BYPASSRLS PASSWORD 'of-the-backup'; GRANT pg_read_all_data TO gatehouse_backup",
    );
    const backupUrl = new URL(database.ownerUrl);
    Object.assign(backupUrl, { username: 'gatehouse_backup', password: 'of-the-backup' });
    const saved = await command({ ...env, DATABASE_BACKUP_URL: backupUrl.href }, 'backup', file('gatehouse.dump'));
    expect(saved).toMatchObject({ status: 0, stderr: '' });
  });
});

describe.each([
  [
    'another authority',
    () => ({ DATABASE_CA_FILE: file('another-ca.pem') }),
    (setting: string) =>
      new RegExp(
        `shows a certificate that no trusted authority signed .*set DATABASE_CA_FILE .*${setting} leads there`,
      ),
  ],
  [
    'a host that the certificate does not name',
    () => ({ DATABASE_CA_FILE: file('ca.pem'), address: atAddress() }),
    (setting: string) => new RegExp(`shows a certificate for another host .*write the host in ${setting}`),
  ],
  [
    'a server without TLS',
    () => ({ DATABASE_CA_FILE: file('ca.pem'), address: plainUrl }),
    (setting: string) =>
      new RegExp(`does not take encrypted connections, which ${setting} or DATABASE_CA_FILE asks for`),
  ],
  [
    'a connection in the clear to a server that requires TLS',
    () => ({ address: `${database.ownerUrl}?sslmode=disable` }),
    (setting: string) => new RegExp(`takes encrypted connections alone: append \\?sslmode=verify-full to ${setting}`),
  ],
])('%s is refused, and the error names the setting', (_what, given, told) => {
  /** This address in the one setting, and the right one in the others. */
  function withAddress(setting: string): Record<string, string> {
    const { address = database.ownerUrl, ...env } = given() as { address?: string };
    const others = { DATABASE_URL: `${database.ownerUrl}?sslmode=verify-full&sslrootcert=${file('ca.pem')}` };
    return { ...others, ...env, [setting]: address };
  }

  it.each(['DATABASE_URL', 'DATABASE_APP_URL', 'DATABASE_DIRECT_URL'])('at the start, of %s', async (setting) => {
    const { exited } = await spawnService(environment(withAddress(setting)));
    const { code, stderr } = await exited;
    expect(code).toBe(1);
    expect(stderr).toMatch(told(setting));
  });

  it('by migrate', async () => {
    const { status, stderr } = await command(withAddress('DATABASE_URL'), 'migrate');
    expect(status).toBe(1);
    expect(stderr).toMatch(told('DATABASE_URL'));
  });

  it('by backup', async () => {
    const { status, stderr } = await command(withAddress('DATABASE_BACKUP_URL'), 'backup', file('never.dump'));
    expect(status).toBe(1);
    expect(stderr).toMatch(told('DATABASE_BACKUP_URL'));
  });
});
