/** The commands that an operator runs before and beside the service: init, migrate, doctor. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { loadSettings } from '../../../src/platform/config/index.js';
import type { CommandHost, Ran } from '../../support/commands.js';
import { createEmptyDatabase, type TestDatabase } from '../../support/postgres.js';
import { rowsOf } from '../../support/sql.js';
import { OperatorStage } from './operator-stage.js';

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly message: string;
  readonly fix?: string;
}

let stage: OperatorStage;
let folder: string;
let commands: CommandHost;
let database: TestDatabase;

beforeAll(async () => {
  stage = await OperatorStage.start(createEmptyDatabase);
  ({ folder, commands, database } = stage);
});

afterAll(() => stage.stop());

const run: OperatorStage['run'] = (args, env) => stage.run(args, env);

async function doctor(env: Readonly<Record<string, string | undefined>> = {}): Promise<Ran & { wrong: Finding[] }> {
  const ran = await run(['doctor', '--json'], env);
  const { healthy, findings } = JSON.parse(ran.stdout) as { healthy: boolean; findings: Finding[] };
  expect(ran.status).toBe(healthy ? 0 : 1);
  return { ...ran, wrong: findings.filter(({ status }) => status !== 'ok') };
}

describe('init', () => {
  it("writes settings with new secrets, readable by the file's owner only, and never overwrites others", async () => {
    const args = [
      'init',
      '--database-url',
      'postgres://owner:p%23ss@db.example.com/gatehouse',
      '--firebase-project',
      'my-project',
    ];
    const first = await commands.run(args, { cwd: folder });
    expect([first.status, first.stderr]).toEqual([0, '']);
    const file = path.join(folder, '.env');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const text = await readFile(file, 'utf8');
    const { POSTGRES_PASSWORD: superuser = '', DATABASE_PASSWORD: owner = '', ...environment } = parseEnv(text);
    const { settings, warnings } = loadSettings(environment);
    expect([settings.mode, warnings]).toEqual(['production', [expect.stringContaining('FIREBASE_SERVICE_ACCOUNT')]]);
    expect(settings.signingKeys).toContain('-----BEGIN PRIVATE KEY-----\n');
    for (const password of [superuser, owner]) expect(password).toMatch(/^\w{32}$/);
    expect(owner).not.toBe(superuser);

    const again = await commands.run(args, { cwd: folder });
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('.env already exists')]);
    expect(await readFile(file, 'utf8')).toBe(text);
    expect((await commands.run([...args, '--file', 'other.env'], { cwd: folder })).status).toBe(0);
    const other = parseEnv(await readFile(path.join(folder, 'other.env'), 'utf8'));
    for (const name of [
      'GATEHOUSE_PEPPERS',
      'GATEHOUSE_ENCRYPTION_KEYS',
      'GATEHOUSE_SIGNING_KEYS',
      'POSTGRES_PASSWORD',
    ]) {
      expect(other[name]).not.toBe(parseEnv(text)[name]);
    }
    await rm(file);
  });

  it('writes an issuer instead of Firebase, and says what is still to be set of either', async () => {
    const file = path.join(folder, 'oidc.env');
    const args = ['init', '--file', file, '--json', '--database-url', 'postgres://owner:p@db.example.com/gatehouse'];
    const oidc = ['--oidc-issuer', 'https://id.example.com', '--oidc-audience', 'gatehouse'];
    const both = await commands.run([...args, ...oidc, '--firebase-project', 'my-project'], { cwd: folder });
    expect(both).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('contradict') as string });
    const half = await commands.run([...args, ...oidc.slice(0, 2)], { cwd: folder });
    expect(JSON.parse(half.stdout)).toMatchObject({ missing: ['DASHBOARD_OIDC_AUDIENCE'] });
    await rm(file);
    expect(JSON.parse((await commands.run([...args, ...oidc], { cwd: folder })).stdout)).toMatchObject({ missing: [] });
    const {
      POSTGRES_PASSWORD: _superuser,
      DATABASE_PASSWORD: _owner,
      ...environment
    } = parseEnv(await readFile(file, 'utf8'));
    expect(loadSettings(environment)).toMatchObject({ settings: { mode: 'production' }, warnings: [] });
    await rm(file);
  });
});

describe('doctor and migrate', () => {
  it('lead from an empty database to one without problems', async () => {
    expect((await doctor()).wrong).toEqual([
      expect.objectContaining({ check: 'migrations', fix: expect.stringContaining('gatehouse migrate') as string }),
    ]);
    const migrated = await run(['migrate']);
    expect([migrated.status, migrated.stdout]).toEqual([0, expect.stringMatching(/^Applied:\n/)]);
    expect((await run(['migrate'])).stdout).toBe('The database is up to date.\n');
    expect((await doctor()).wrong).toEqual([]);

    const { stdout } = await run(['doctor']);
    const names =
      'configuration secrets database clocks migrations functions roles policies isolation login revocations peppers providers sign-in';
    for (const name of names.split(' ')) expect(stdout).toMatch(new RegExp(`^ok +${name} `, 'm'));
    expect(stdout).toMatch(/\nNothing is wrong\.\n$/);
  });

  it('report what an operator changed by hand, and name the fix', async () => {
    const sql = (text: string): Promise<unknown> => rowsOf(database.superuserUrl, text);
    await sql('ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY');
    await sql(
      `DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('announce_api_key()'::regprocedure), 'RETURN NULL', 'RETURN OLD'); END $do$`,
    );
    const { wrong } = await doctor();
    expect(wrong.map(({ check, status }) => [check, status])).toEqual([
      ['functions', 'failed'],
      ['policies', 'failed'],
    ]);
    const [functions, policies] = wrong;
    expect(functions?.message).toContain('announce_api_key');
    expect(policies?.message).toContain('api_keys');
    await rowsOf(database.ownerUrl, policies?.fix ?? '');
    await rowsOf(database.ownerUrl, "DELETE FROM _gatehouse_functions WHERE name = 'announce_api_key'");
    expect((await run(['migrate'])).status).toBe(0);
    expect((await doctor()).wrong).toEqual([]);
  });

  it('report a database that is unreachable, a provider that refuses, and settings that are missing or unknown', async () => {
    const away = new URL(database.ownerUrl);
    away.port = '1';
    const { wrong, stdout } = await doctor({ DATABASE_URL: away.href, OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' });
    expect(wrong.map(({ check }) => check)).toEqual(['database', 'providers']);
    if (away.password !== '') expect(stdout).not.toContain(away.password);
    expect((await doctor({ DATABASE_APP_URL: away.href })).wrong).toEqual([
      {
        ...{ check: 'login', status: 'failed', message: expect.stringContaining('cannot be reached') as string },
        fix: `Look at DATABASE_APP_URL, which leads to ${away.hostname}:1.`,
      },
    ]);
    expect((await doctor({ GATEHOUSE_PEPERS: 'x' })).wrong).toEqual([
      expect.objectContaining({
        check: 'configuration',
        status: 'warning',
        message: expect.stringContaining('GATEHOUSE_PEPERS') as string,
      }),
    ]);
    const incomplete = await doctor({ FIREBASE_PROJECT_ID: undefined, GATEHOUSE_PEPPERS: '1:short' });
    expect(incomplete.wrong.map(({ message }) => message.split(' ')[0])).toEqual([
      'GATEHOUSE_PEPPERS',
      'FIREBASE_PROJECT_ID',
    ]);
    expect(incomplete.stdout).not.toContain('1:short');
    await writeFile(path.join(folder, '.env'), 'GATEHOUSE_SIGNING_KEYS=not-a-key\n');
    const unreadable = await doctor({ GATEHOUSE_SIGNING_KEYS: undefined });
    await rm(path.join(folder, '.env'));
    expect(unreadable.wrong.map(({ check }) => check)).toEqual(['secrets']);
    expect(unreadable.stdout).not.toContain('not-a-key');
  });
});
