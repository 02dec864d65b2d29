/** Model providers, as people and keys of a tenant manage them, and the calls that go through them. */
import { captureLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { startService, type Org, type TestService } from '../../support/service.js';
import { dump } from '../../support/sql.js';
import { expectPlatformRefusal, fieldsOf, openaiError, platformError } from '../refusals.js';
import { ask, call, chat, create, type ProviderView, type TestView } from './providers.js';

const SECRET = 'sk-own-credential-0123456789abcdef';

let service: TestService;
let other: TestService;
let upstream: OpenaiUpstream;
let org: Org;
let key: string;

/** Loopback stands in for the public address of a provider. */
const settings = { mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] } as const;

beforeAll(async () => {
  service = await startService({ settings });
  other = await startService({
    database: service.database,
    issuer: service.issuer,
    upstream: service.upstream,
    google: service.google,
    settings: { ...settings, peppers: service.settings.peppers, encryptionKeys: service.settings.encryptionKeys },
  });
});

afterAll(async () => {
  await other.stop();
  await service.stop();
});

let tests = 0;
beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  org = await service.createOrg(`founder-${(tests += 1)}`, undefined, { provider: false });
  ({ key } = await service.createKey(org));
});

afterEach(() => upstream.close());

const wishes = (more: object = {}): object => ({
  name: 'mine',
  kind: 'openai_compatible',
  baseUrl: upstream.baseUrl,
  credentials: { apiKey: SECRET },
  ...more,
});

it('leads from a new tenant to a completion through its own provider, on every replica at once', async () => {
  for (const replica of [service, other]) {
    const { message, code } = openaiError(await chat(replica, key, 'gpt-4o-mini'), 400);
    expect({ message, code }).toEqual({
      message: expect.stringMatching(
        /^no provider configured: add one with \/api\/v1\/llm\/providers\/create/,
      ) as string,
      code: 'no_provider_configured',
    });
  }
  await create(service, org, wishes());
  for (const replica of [other, service]) expect((await chat(replica, key, 'gpt-4o-mini')).status).toBe(200);
  expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${SECRET}`,
    `Bearer ${SECRET}`,
  ]);
  expect(service.upstream.requests).toEqual([]);
  const rows = await service.sql('SELECT DISTINCT provider FROM usage_records WHERE tenant_id = $1', [org.tenantId]);
  expect(rows).toEqual([{ provider: 'openai_compatible/mine' }]);
});

it('shows the provider as it was set up, and never the credentials', async () => {
  const made = await create(service, org, wishes({ name: 'Two.of_them-1', models: ['a', 'b'] }));
  expect(made).toEqual({
    providerId: expect.stringMatching(/^provider_[0-9A-Za-z]{20}$/) as string,
    name: 'Two.of_them-1',
    kind: 'openai_compatible',
    baseUrl: upstream.baseUrl,
    models: ['a', 'b'],
    settings: {},
    status: 'ENABLED',
    credentialsSetAt: expect.stringMatching(/Z$/) as string,
    createdAt: expect.stringMatching(/Z$/) as string,
    updatedAt: expect.stringMatching(/Z$/) as string,
  });
  const { providerId } = made;
  expect(await call(service, org, 'get', { provider_id: providerId })).toEqual({ provider: made });
  expect(await call(service, org, 'list')).toEqual({ providers: [made], nextPageToken: '' });
  const without = await create(service, org, wishes({ name: 'local', credentials: {} }));
  expect(without).not.toHaveProperty('credentialsSetAt');
});

it('finds providers by a part of their name and by status, page by page', async () => {
  for (const name of ['alpha', 'Alphabet', 'beta']) await create(service, org, wishes({ name }));
  const names = async (filter: object): Promise<string[]> =>
    (await call<{ providers: ProviderView[] }>(service, org, 'list', filter)).providers.map(({ name }) => name);
  expect(await names({})).toEqual(['beta', 'Alphabet', 'alpha']);
  expect(await names({ search: 'LPHA' })).toEqual(['Alphabet', 'alpha']);
  expect(await names({ search: '%' })).toEqual([]);
  const [beta] = (await call<{ providers: ProviderView[] }>(service, org, 'list', { search: 'beta' })).providers;
  await call(service, org, 'update', { providerId: beta!.providerId, enabled: false });
  expect(await names({ status: 'DISABLED' })).toEqual(['beta']);
  expect(await names({ status: 'ENABLED' })).toEqual(['Alphabet', 'alpha']);
  const first = await call<{ nextPageToken: string }>(service, org, 'list', { pageSize: 2 });
  expect(await names({ pageSize: 2, pageToken: first.nextPageToken })).toEqual(['alpha']);
});

it.each<[string, object, string[]]>([
  ['without a name', { name: '' }, ['name']],
  ['with a name that no header could carry', { name: 'two words' }, ['name']],
  ['of an unknown kind', { kind: 'gpt' }, ['kind']],
  ['without the address that its kind needs', { baseUrl: '' }, ['baseUrl']],
  ['at an address inside the network', { baseUrl: 'https://10.0.0.1/v1' }, ['baseUrl']],
  ['at the metadata address', { baseUrl: 'http://169.254.169.254/v1' }, ['baseUrl']],
  ['with a malformed URL', { baseUrl: 'nowhere' }, ['baseUrl']],
  ['with a credential that its kind does not have', { credentials: { accessKeyId: 'a' } }, ['credentials.accessKeyId']],
  ['with a credential that no header can carry', { credentials: { apiKey: 'a\r\nb' } }, ['credentials.apiKey']],
  ['without the credential that its kind needs', { kind: 'openai', credentials: {} }, ['credentials']],
  ['with a setting that its kind does not have', { settings: { region: 'eu-central-1' } }, ['settings.region']],
  ['with a model twice', { models: ['a', 'a'] }, ['models']],
])('refuses one %s, naming the field, and stores nothing', async (_what, wrong, fields) => {
  const error = await expectPlatformRefusal(service, () => ask(service, org, 'create', wishes(wrong)), 400);
  expect(fieldsOf(error)).toEqual(fields);
  expect(JSON.stringify(error)).not.toContain(SECRET);
});

it('keeps names unique in a tenant', async () => {
  await create(service, org, wishes());
  const error = platformError(await ask(service, org, 'create', wishes()), 409);
  expect(fieldsOf(error)).toEqual(['name']);
  const two = await create(service, org, wishes({ name: 'two' }));
  platformError(await ask(service, org, 'update', { providerId: two.providerId, name: 'mine' }), 409);
});

it('makes one provider of a request that is repeated by its Idempotency-Key', async () => {
  const headers = { 'idempotency-key': 'once' };
  const answers = [
    await ask(service, org, 'create', wishes(), headers),
    await ask(service, org, 'create', wishes(), headers),
  ];
  const ids = answers.map((answer) => answer.json<{ provider: ProviderView }>().provider.providerId);
  expect(new Set(ids).size).toBe(1);
  const changed = wishes({ credentials: { apiKey: 'sk-another-credential' } });
  platformError(await ask(service, org, 'create', changed, headers), 409);
});

it('requires the credentials again where the address changes, and sends the old ones nowhere else', async () => {
  const { providerId } = await create(service, org, wishes());
  const elsewhere = await OpenaiUpstream.start();
  try {
    const refused = await expectPlatformRefusal(
      service,
      () => ask(service, org, 'update', { providerId, baseUrl: elsewhere.baseUrl }),
      400,
    );
    expect(fieldsOf(refused)).toEqual(['credentials']);
    const unchanged = await call<{ provider: ProviderView }>(service, org, 'update', {
      providerId,
      baseUrl: upstream.baseUrl,
    });
    expect(unchanged.provider.baseUrl).toBe(upstream.baseUrl);
    await call(service, org, 'update', {
      providerId,
      baseUrl: elsewhere.baseUrl,
      credentials: { apiKey: 'sk-new-one' },
    });
    expect((await chat(service, key, 'gpt-4o-mini')).status).toBe(200);
    expect(elsewhere.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-new-one']);
    expect(upstream.requests).toEqual([]);
  } finally {
    await elsewhere.close();
  }
});

it('sends no further call to a disabled or deleted provider, on any replica', async () => {
  const { providerId } = await create(service, org, wishes());
  const refused = async (replica: TestService): Promise<boolean> =>
    (await chat(replica, key, 'gpt-4o-mini')).status === 400;
  for (const replica of [service, other]) expect(await refused(replica)).toBe(false);
  await call(service, org, 'update', { providerId, enabled: false });
  expect(await refused(service)).toBe(true);
  await eventually(() => refused(other));
  await call(service, org, 'update', { providerId, enabled: true });
  for (const replica of [service, other]) expect(await refused(replica)).toBe(false);
  await call(service, org, 'delete', { providerId });
  expect(await refused(service)).toBe(true);
  await eventually(() => refused(other));
  platformError(await ask(service, org, 'get', { providerId }), 404);
});

it('sends a model to the provider that its name selects, otherwise to one that lists it, otherwise to one that may serve it', async () => {
  const listing = await OpenaiUpstream.start();
  const silent = await OpenaiUpstream.start();
  try {
    upstream.models = ['listed-by-nobody-else'];
    listing.models = ['listed'];
    silent.models = null;
    await create(service, org, wishes({ name: 'first' }));
    await create(service, org, wishes({ name: 'second', baseUrl: listing.baseUrl }));
    await create(service, org, wishes({ name: 'third', baseUrl: listing.baseUrl, models: ['named'] }));
    const to = async (model: string): Promise<string> => {
      expect((await chat(service, key, model)).status).toBe(200);
      const [row] = await service.sql<{ provider: string }>(
        'SELECT provider FROM usage_records WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1',
        [org.tenantId],
      );
      return row!.provider;
    };
    expect(await to('named')).toBe('openai_compatible/third');
    expect(await to('listed')).toBe('openai_compatible/second');
    expect(await to('listed-by-nobody-else')).toBe('openai_compatible/first');
    expect(await to('a variant')).toBe('openai_compatible/first');
    await create(service, org, wishes({ name: 'fourth', baseUrl: silent.baseUrl }));
    expect(await to('a variant')).toBe('openai_compatible/fourth');
    expect(await to('listed')).toBe('openai_compatible/second');
  } finally {
    await listing.close();
    await silent.close();
  }
});

it('refuses a model that no provider may serve, and lists the models that one serves', async () => {
  await create(service, org, wishes({ models: ['a', 'b'] }));
  const { code } = openaiError(await chat(service, key, 'c'), 404);
  expect(code).toBe('model_not_found');
  const models = await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } });
  expect(models.json<{ data: { id: string }[] }>().data.map(({ id }) => id)).toEqual(['a', 'b']);
});

describe('test', () => {
  const test = async (wish: object, model?: string): Promise<TestView> => {
    const { providerId } = await create(service, org, wishes(wish));
    return call<TestView>(service, org, 'test', { providerId, ...(model === undefined ? {} : { model }) });
  };

  it('asks for the list of models, which is free, and reports the result', async () => {
    expect(await test({})).toEqual({ ok: true, statusCode: 200, message: 'The provider listed 1 models.' });
    expect(upstream.otherRequests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${SECRET}`]);
    expect(upstream.requests).toEqual([]);
  });

  it('asks a model for a few tokens where it knows one', async () => {
    expect(await test({ models: ['m'] })).toEqual({
      ok: true,
      statusCode: 200,
      message: 'The provider answered.',
      model: 'm',
    });
    const [request] = upstream.requests;
    expect(JSON.parse(request!.body.toString())).toMatchObject({ model: 'm', max_tokens: 16 });
  });

  it("passes on the provider's answer about a credential, without the credential", async () => {
    const message = `Incorrect API key provided: ${SECRET}.`;
    upstream.otherwise = () => ({ kind: 'body', status: 401, body: { error: { message, code: 'invalid_api_key' } } });
    const said = await test({ models: ['m'] });
    expect(said).toMatchObject({ ok: false, statusCode: 401, model: 'm' });
    expect(said.message).toMatch(/^Incorrect API key provided: /);
    expect(said.message).not.toContain(SECRET);
  });

  it("says that an address can't be reached, and nothing else about our network", async () => {
    const gone = await OpenaiUpstream.start();
    const { baseUrl } = gone;
    await gone.close();
    for (const model of [undefined, 'm']) {
      const said = await test({ name: model ?? 'without', baseUrl }, model);
      expect(said).toMatchObject({
        ok: false,
        message: 'The model provider cannot be reached. Check its address, or try again.',
      });
      expect(said).not.toHaveProperty('statusCode');
    }
  });

  it('requires a model where the provider has no list', async () => {
    upstream.models = null;
    const { providerId } = await create(service, org, wishes());
    expect(fieldsOf(platformError(await ask(service, org, 'test', { providerId }), 400))).toEqual(['model']);
  });
});

it('keeps the credential out of every table, log, answer and error in the clear, and can still call', async () => {
  const log = captureLog();
  const { providerId } = await create(service, org, wishes());
  const answers = [
    await chat(service, key, 'gpt-4o-mini'),
    await ask(service, org, 'get', { providerId }),
    await ask(service, org, 'list'),
    await ask(service, org, 'test', { providerId }),
  ];
  upstream.next({ kind: 'body', status: 401, body: { error: { message: `Bad key ${SECRET}` } } });
  answers.push(await chat(service, key, 'gpt-4o-mini'));
  upstream.next({ kind: 'body', status: 400, body: { error: { message: `Bad request by ${SECRET}` } } });
  answers.push(await chat(service, key, 'gpt-4o-mini'));
  upstream.next({ kind: 'break', part: '{"id":' });
  answers.push(await chat(service, key, 'gpt-4o-mini'));
  log.stop();
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 502, 400, 502]);
  const forms = [SECRET, Buffer.from(SECRET).toString('hex'), Buffer.from(SECRET).toString('base64')];
  const stored = await dump(service.database.superuserUrl);
  for (const form of forms) {
    for (const place of [stored, log.text(), ...answers.map(({ text }) => text)]) expect(place).not.toContain(form);
  }
  expect(upstream.requests).toHaveLength(4);
});

it('does not decrypt a credential that was moved to another tenant, provider or address, and says what to do', async () => {
  const mine = await create(service, org, wishes());
  const stranger = await service.createOrg(`stranger-${tests}`, undefined, { provider: false });
  const theirs = await create(service, stranger, wishes());
  const strangersKey = (await service.createKey(stranger)).key;
  const SWAP = 'UPDATE llm_providers p SET credentials = q.credentials, revision = p.revision + 1 FROM llm_providers q';
  await service.sql(`${SWAP} WHERE p.id = $1 AND q.id = $2`, [theirs.providerId, mine.providerId]);
  await service.sql('UPDATE llm_providers SET base_url = $2, revision = revision + 1 WHERE id = $1', [
    mine.providerId,
    `${upstream.baseUrl}/elsewhere`,
  ]);
  for (const one of [key, strangersKey]) {
    await eventually(async () => {
      const { code, message } = openaiError(await chat(service, one, 'gpt-4o-mini'), 503);
      expect(code).toBe('provider_credentials_unreadable');
      expect(message).toContain('/api/v1/llm/providers/update');
    });
  }
  expect((await ask(service, stranger, 'test', { providerId: theirs.providerId })).status).toBe(503);
  expect(upstream.requests).toEqual([]);
  await call(service, stranger, 'update', { providerId: theirs.providerId, credentials: { apiKey: SECRET } });
  expect((await chat(service, strangersKey, 'gpt-4o-mini')).status).toBe(200);
});

it('records in the audit log who did what, without credentials', async () => {
  const { providerId } = await create(service, org, wishes());
  await call(service, org, 'update', { providerId, credentials: { apiKey: 'sk-another' }, models: ['a'] });
  await call(service, org, 'delete', { providerId });
  const rows = await service.sql(
    `SELECT action, actor_id, resource_id, details FROM audit_events
     WHERE tenant_id = $1 AND resource_type = 'llm_provider' ORDER BY id`,
    [org.tenantId],
  );
  const common = { actor_id: org.user, resource_id: providerId };
  expect(rows).toEqual([
    { action: 'llm_provider.created', ...common, details: { name: 'mine', kind: 'openai_compatible' } },
    { action: 'llm_provider.updated', ...common, details: { changed: ['models', 'credentials'] } },
    { action: 'llm_provider.deleted', ...common, details: {} },
  ]);
});
