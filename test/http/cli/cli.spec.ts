/** The command line against a development service: the commands of users and operators do what their help says. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { eventually } from '../../support/eventually.js';
import { CommandHost, gatehouse, type Ran, type Surroundings } from '../../support/commands.js';
import { PROVIDER_SECRET, startServiceProcess, type Answer, type ServiceProcess } from '../../support/service.js';

let service: ServiceProcess;
let commands: CommandHost;
let elsewhere: string;

const DEVELOPMENT = {
  GATEHOUSE_DEV: '1',
  GATEHOUSE_PEPPERS: undefined,
  GATEHOUSE_ENCRYPTION_KEYS: undefined,
  GATEHOUSE_SIGNING_KEYS: undefined,
  FIREBASE_PROJECT_ID: undefined,
};

beforeAll(async () => {
  service = await startServiceProcess({ env: DEVELOPMENT });
  commands = await CommandHost.start();
  elsewhere = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-cli-'));
});

afterAll(async () => {
  await commands.stop();
  await service.stop();
  await rm(elsewhere, { recursive: true, force: true });
});

/** Runs in the folder of the service, as its developer. */
const developers = (surroundings: Partial<Surroundings> = {}): Surroundings => ({
  cwd: service.process.folder,
  ...surroundings,
  env: { GATEHOUSE_DEV: '1', DATABASE_URL: service.database.ownerUrl, ...surroundings.env },
});

function run(args: readonly string[], surroundings?: Partial<Surroundings>): Promise<Ran> {
  return commands.run(args, developers(surroundings));
}

/** The JSON output of a command that succeeds. */
async function told<T>(args: readonly string[], surroundings: Partial<Surroundings> = {}): Promise<T> {
  const { status, stdout, stderr } = await run([...args, '--json'], surroundings);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const models = (key: string): Promise<Answer> => service.call('GET', '/v1/models', { headers: { 'x-api-key': key } });

it('explains itself: each command has help with an example, and --json', async () => {
  const met: string[] = [];
  const bare: string[] = [];
  const look = async (name: readonly string[]): Promise<void> => {
    const { status, stdout } = await run([...name, '--help']);
    expect([name, status]).toEqual([name, 0]);
    const [, parts = ''] = /^Commands:\n([\s\S]*?)(?:\n\n|$(?![\s\S]))/m.exec(stdout) ?? [];
    const inner = [...parts.matchAll(/^ {2}([a-z-]+)/gm)].flatMap(([, word = '']) => (word === 'help' ? [] : [word]));
    for (const word of inner) await look([...name, word]);
    if (inner.length > 0) return;
    met.push(name.join(' '));
    const example = `  $ gatehouse ${name.join(' ')}`;
    if (!stdout.replaceAll(/\$ (?:eval "\$\(|.* \| )/g, '$ ').includes(example) || !/^ +--json /m.test(stdout))
      bare.push(name.join(' '));
  };
  await look([]);
  expect(bare).toEqual([]);
  expect(met).toEqual(
    expect.arrayContaining([
      ...['init', 'doctor', 'migrate', 'env', 'token', 'sealed revoke', 'rotate', 'backup', 'restore'],
      ...['keys list', 'tenants list', 'providers list', 'operator tenants'],
    ]),
  );
});

it('exits with 2 where the command is malformed, and says what is wrong', async () => {
  expect(await run(['token', '--user', 'ann', '--admin'])).toMatchObject({ status: 2, stdout: '' });
  for (const args of [
    ['nonsense'],
    ['keys', 'create'],
    ['keys', 'list', '--most', 'all'],
    ['tenants', 'delete', 't'],
  ]) {
    const { status, stdout, stderr } = await run(args);
    expect([args, status, stdout]).toEqual([args, 2, '']);
    expect(stderr).toMatch(/^error: .+\n\(add --help for help\)\n$/);
  }
});

it('is a process of its own, with output, errors and exit codes for a shell', async () => {
  const input = `${PROVIDER_SECRET}\n`;
  const create = [
    'providers',
    'create',
    'by-pipe',
    '--kind',
    'openai_compatible',
    '--base-url',
    service.upstream.baseUrl,
  ];
  expect(await gatehouse([...create, '--api-key-stdin'], developers({ input }))).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^Provider +provider_/) as string,
    stderr: '',
  });
  const refused = await gatehouse(['keys', 'list', '--user', 'somebody-else'], developers());
  expect([refused.status, refused.stdout, refused.stderr]).toEqual([1, '', expect.stringMatching(/403/)]);
  expect(await gatehouse(['nonsense'], developers())).toMatchObject({ status: 2, stdout: '' });
});

it('creates, shows, rotates and revokes keys, as the person whose token it sends', async () => {
  const made = await told<{ keyId: string; key: string; permissions: string[] }>([
    ...['keys', 'create', 'backend', '--scope', 'chat:write', 'usage:read', '--requests-per-minute', '77'],
  ]);
  expect(made.permissions).toEqual(['chat:write', 'usage:read']);
  const answer = await models(made.key);
  expect([answer.status, answer.headers['x-ratelimit-limit']]).toEqual([200, '77']);

  const { stdout } = await run(['keys', 'list', '--most', '1']);
  const [head = '', row = '', ...more] = stdout.trimEnd().split('\n');
  expect(head).toMatch(/^KEY ID +BEGINS WITH +TYPE +STATUS +NAME/);
  expect(row).toContain(made.keyId);
  expect(more).toEqual([]);
  expect(stdout).not.toContain(made.key);
  expect((await run(['keys', 'get', made.keyId])).stdout).toMatch(/^name +backend$/m);

  const { result } = await told<{ result: { key: string } }>(['keys', 'rotate', made.keyId]);
  await eventually(async () => (await models(made.key)).status === 401);
  expect((await models(result.key)).status).toBe(200);
  expect((await run(['keys', 'revoke', made.keyId])).stdout).toContain(`${made.keyId} (backend) is revoked`);
  await eventually(async () => (await models(result.key)).status === 401);

  const person = await run(['keys', 'list', '--user', 'somebody-else']);
  expect([person.status, person.stdout]).toEqual([1, '']);
  expect(person.stderr).toMatch(/403/);
});

it('makes a publishable key for users of the development issuer, and no setting is needed', async () => {
  const args = ['keys', 'create-publishable', 'app', '--issuer', `${service.baseUrl}/development/end-users`];
  const limits = ['--audience', 'gatehouse-development-app', '--limit', 'request_cnt=1', '--limit', 'token_cnt=5000'];
  const { key } = await told<{ key: string }>([...args, ...limits]);
  const { stdout } = await run(['token', '--end-user', 'ann']);
  expect((await told<{ token: string }>(['token', '--end-user', 'ann'])).token).toMatch(/^eyJ/);
  const call = (token: string): Promise<Answer> =>
    service.call('POST', '/v1/chat/completions', {
      headers: { 'x-api-key': key, authorization: `Bearer ${token}` },
      body: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello!' }] },
    });
  expect((await call(stdout.trim())).status).toBe(200);
  expect((await call(stdout.trim())).json()).toMatchObject({ type: 'usage_limit_exceeded' });
  const stranger = await run(['token', '--end-user', 'bob', '--audience', 'another-app']);
  expect((await call(stranger.stdout.trim())).status).toBe(401);
});

it('makes, lists, switches and deletes tenants', async () => {
  const { id } = await told<{ id: string }>(['tenants', 'create', 'Staging']);
  const { tenants } = await told<{ tenants: { id: string; current: boolean }[] }>(['tenants', 'list']);
  expect(tenants.map((tenant) => [tenant.id === id, tenant.current])).toEqual([
    [true, false],
    [false, true],
  ]);
  const isCurrent = async (tenantId: string): Promise<void> => {
    const listed = await told<{ tenants: { id: string; current: boolean }[] }>(['tenants', 'list']);
    expect(listed.tenants.find(({ current }) => current)?.id).toBe(tenantId);
  };
  expect((await run(['tenants', 'switch', id])).stdout).toBe(`Your next token is for ${id}.\n`);
  await eventually(() => isCurrent(id), 60_000);
  const home = tenants[1]!.id;
  await told(['tenants', 'switch', home]);
  await eventually(() => isCurrent(home), 60_000);
  const mistyped = await run(['tenants', 'delete', id, '--name', 'staging']);
  expect([mistyped.status, mistyped.stdout]).toEqual([1, '']);
  expect(mistyped.stderr).toContain('name');
  await told(['tenants', 'delete', id, '--name', 'Staging']);
});

it('sets providers up, reads their key from standard input only, and fails where the provider fails', async () => {
  const create = ['providers', 'create', 'main', '--kind', 'openai_compatible', '--base-url', service.upstream.baseUrl];
  const empty = await run([...create, '--api-key-stdin']);
  expect([empty.status, empty.stderr]).toEqual([1, expect.stringContaining('Standard input is empty')]);
  const made = await told<{ providerId: string }>([...create, '--api-key-stdin'], { input: `${PROVIDER_SECRET}\n` });
  expect(await told(['providers', 'test', made.providerId])).toMatchObject({ ok: true });
  expect(service.upstream.requests.at(-1)?.headers.authorization).toBe(`Bearer ${PROVIDER_SECRET}`);
  const { stdout } = await run(['providers', 'list']);
  expect(stdout).toMatch(/ENABLED +set +any$/m);
  expect((await run(['providers', 'disable', made.providerId])).stdout).toBe('main is disabled.\n');

  const dead = await told<{ providerId: string }>([
    ...['providers', 'create', 'dead', '--kind', 'openai_compatible', '--base-url', 'http://127.0.0.1:1/v1'],
  ]);
  const tested = await run(['providers', 'test', dead.providerId]);
  expect([tested.status, tested.stdout]).toEqual([1, expect.stringMatching(/^FAILED /)]);
  await told(['providers', 'delete', dead.providerId]);
});

it('moves stored secrets to the newest key', async () => {
  expect(await told(['rotate'])).toEqual({ moved: 0, unreadable: 0, version: 1, olderMayGo: true });
});

it('shows what is due, and which versions of the operator’s secrets are in use', async () => {
  const { queues, stored } = await told<{
    queues: Record<string, { depth: number }>;
    stored: Record<string, { version: number; secrets: number }[]>;
  }>(['status']);
  expect(Object.keys(queues)).toEqual(['webhooks', 'runs', 'claims']);
  expect(stored.apiKeys).toEqual([{ secret: 'pepper', version: 1, secrets: expect.any(Number) as number }]);
});

it('says what to set where it finds no service, no token or no settings, and makes nothing there', async () => {
  const here = { cwd: elsewhere, env: { GATEHOUSE_DEV: undefined, DATABASE_URL: undefined } };
  const cases: readonly (readonly [string[], Record<string, string>, RegExp])[] = [
    [['keys', 'list'], {}, /^Set GATEHOUSE_TOKEN to a dashboard token/],
    [['keys', 'list', '--user', 'ann'], {}, /^--user works with a development service/],
    [
      ['keys', 'list'],
      { GATEHOUSE_TOKEN: 'x', GATEHOUSE_URL: 'http://127.0.0.1:1' },
      /No service answers.*GATEHOUSE_URL/,
    ],
    [['keys', 'list'], { GATEHOUSE_TOKEN: 'x', GATEHOUSE_URL: service.baseUrl }, /401, request /],
    [['keys', 'list'], { GATEHOUSE_TOKEN: 'x', GATEHOUSE_URL: 'nowhere' }, /GATEHOUSE_URL must be a URL/],
    [['migrate'], {}, /^DATABASE_URL is not set, and there is no development database/],
    [['rotate'], {}, /^DATABASE_URL is not set/],
    [['sealed', 'revoke'], {}, /^Say which tokens: --jti/],
    [['sealed', 'revoke', '--issued-before', 'noon'], {}, /^--issued-before must be a time/],
  ];
  for (const [args, env, about] of cases) {
    const { status, stdout, stderr } = await run(args, { ...here, env: { ...here.env, ...env } });
    // What is missing from the command itself is told apart from what is missing around it.
    expect([args, status, stdout]).toEqual([args, args[0] === 'sealed' ? 2 : 1, '']);
    expect(stderr).toMatch(about);
    expect(stderr).not.toMatch(/^\s+at /m);
  }
});
