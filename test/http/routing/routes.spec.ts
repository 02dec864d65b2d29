/** Routes over several providers: their management by a tenant, and the calls that use them. */
import { Database } from '../../../src/platform/database/index.js';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream, completion, errorBody, usageOf } from '../../support/openai-upstream.js';
import { accountOf, setLimits, units } from '../../support/proof-limits.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { clearLedger, ledgerOf } from '../ledger.js';
import { create as createProvider, ask as askProviders, type ProviderView } from '../providers/providers.js';

interface RouteView {
  readonly routeId: string;
  readonly name: string;
  readonly strategy: string;
  readonly targets: readonly { readonly providerId: string; readonly model: string; readonly weight: number }[];
  readonly retry: { readonly attempts: number; readonly on: readonly string[] };
}

const FAILS = { kind: 'body', status: 500, body: errorBody('No.', 'server_error') } as const;

let service: TestService;
let first: OpenaiUpstream;
let second: OpenaiUpstream;
let org: Org;
let key: string;
let one: ProviderView;
let two: ProviderView;

beforeAll(async () => {
  service = await startService({
    settings: {
      mode: 'development',
      outboundAllowCidrs: ['127.0.0.0/8'],
      circuitFailures: 1_000,
      firstByteTimeoutMs: 1_000,
    },
  });
  first = await OpenaiUpstream.start();
  second = await OpenaiUpstream.start();
});

afterAll(async () => {
  await service.stop();
  await first.close();
  await second.close();
});

let tests = 0;
beforeEach(async () => {
  first.reset();
  second.reset();
  await clearLedger(service);
  org = await service.createOrg(`founder-${(tests += 1)}`, undefined, { provider: false });
  ({ key } = await service.createKey(org));
  const made = (name: string, { baseUrl }: OpenaiUpstream): Promise<ProviderView> =>
    createProvider(service, org, { name, kind: 'openai_compatible', baseUrl, credentials: { apiKey: 'sk-own' } });
  one = await made('one', first);
  two = await made('two', second);
});

function ask(method: string, body: object = {}, as: Org = org): Promise<Answer> {
  const authorization = `Bearer ${service.dashboardToken({ user: as.user, tenant: as.tenantId })}`;
  return service.call('POST', `/api/v1/llm/routes/${method}`, { headers: { authorization }, body });
}

async function create(more: object = {}): Promise<RouteView> {
  const targets = [
    { provider_id: one.providerId, model: 'gpt-4o-mini' },
    { provider_id: two.providerId, model: 'gpt-4o' },
  ];
  const answer = await ask('create', { name: 'careful', targets, retry: { attempts: 1 }, ...more });
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return (JSON.parse(answer.text) as { route: RouteView }).route;
}

const chat = (model = 'careful', headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': key, ...headers },
    body: { model, max_tokens: 20, messages: [{ role: 'user', content: 'Say hello.' }] },
  });

async function settled(count: number): Promise<Awaited<ReturnType<typeof ledgerOf>>> {
  await eventually(async () => {
    const rows = await ledgerOf(service);
    return rows.length >= count && rows.every(({ state }) => state === 'SETTLED');
  });
  return ledgerOf(service);
}

it('leads a model’s name to its targets at once, and no longer once it is deleted', async () => {
  const route = await create();
  expect(route).toEqual({
    routeId: expect.stringMatching(/^route_[0-9A-Za-z]{20}$/) as string,
    name: 'careful',
    strategy: 'FALLBACK',
    targets: [
      { providerId: one.providerId, model: 'gpt-4o-mini', weight: 1 },
      { providerId: two.providerId, model: 'gpt-4o', weight: 1 },
    ],
    retry: { attempts: 1, on: ['RATE_LIMIT', 'SERVER_ERROR', 'TIMEOUT', 'CONNECT_ERROR', 'CREDENTIAL'] },
    createdAt: expect.any(String) as string,
    updatedAt: expect.any(String) as string,
  });
  const models = await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } });
  expect((JSON.parse(models.text) as { data: unknown[] }).data[0]).toMatchObject({ id: 'careful', object: 'model' });
  first.next(FAILS);
  const answer = await chat();
  expect([answer.status, answer.headers['x-gatehouse-provider'], answer.headers['x-gatehouse-attempts']]).toEqual([
    200,
    'openai_compatible/two',
    '2',
  ]);
  expect(JSON.parse(second.requests[0]!.body.toString())).toMatchObject({ model: 'gpt-4o' });
  expect(await settled(2)).toMatchObject([
    { provider: 'openai_compatible/one', model: 'gpt-4o-mini', outcome: 'UPSTREAM_ERROR', output_tokens: 0 },
    { provider: 'openai_compatible/two', model: 'gpt-4o', outcome: 'OK', output_tokens: 12 },
  ]);
  expect((await ask('delete', { route_id: route.routeId })).status).toBe(200);
  expect((await chat()).status).toBe(200);
  expect(JSON.parse(first.requests.at(-1)!.body.toString())).toMatchObject({ model: 'careful' });
});

it('finds routes by a part of their name, page by page, and changes the named fields', async () => {
  const { routeId } = await create();
  await create({ name: 'Careless' });
  await create({ name: 'other' });
  const names = async (filter: object): Promise<string[]> =>
    (JSON.parse((await ask('list', filter)).text) as { routes: RouteView[] }).routes.map(({ name }) => name);
  expect(await names({})).toEqual(['other', 'Careless', 'careful']);
  expect(await names({ search: 'CARE' })).toEqual(['Careless', 'careful']);
  const { nextPageToken } = JSON.parse((await ask('list', { page_size: 2 })).text) as { nextPageToken: string };
  expect(await names({ page_size: 2, page_token: nextPageToken })).toEqual(['careful']);
  const targets = [{ provider_id: two.providerId, model: 'm' }];
  const changed = await ask('update', { route_id: routeId, name: 'renamed', targets, retry: { attempts: 3, on: [] } });
  expect(JSON.parse(changed.text)).toMatchObject({
    route: { name: 'renamed', targets: [{ model: 'm' }], retry: { attempts: 3, on: [] } },
  });
  const events = await service.sql(
    "SELECT action, details FROM audit_events WHERE tenant_id = $1 AND action LIKE 'llm_route.%' ORDER BY occurred_at DESC LIMIT 1",
    [org.tenantId],
  );
  expect(events).toMatchObject([
    { action: 'llm_route.updated', details: { changed: ['name', 'attempts', 'retryOn', 'targets'] } },
  ]);
});

it('refuses a route that no call could use, naming the field', async () => {
  await create();
  const target = { provider_id: one.providerId, model: 'm' };
  const refused: [object, number, string][] = [
    [{ name: 'careful', targets: [target] }, 409, 'name'],
    [{ name: 'two words', targets: [target] }, 400, 'name'],
    [{ name: 'none', targets: [] }, 400, 'targets'],
    [{ name: 'heavy', strategy: 'WEIGHTED', targets: [{ ...target, weight: 0 }] }, 400, 'targets'],
    [{ name: 'missing', targets: [{ ...target, provider_id: 'provider_x' }] }, 404, 'targets[0].providerId'],
    [{ name: 'often', targets: [target], retry: { attempts: 99 } }, 400, 'retry.attempts'],
    [{ name: 'why', targets: [target], retry: { on: ['EVERYTHING'] } }, 400, 'retry.on'],
  ];
  for (const [body, status, field] of refused) {
    const answer = await ask('create', body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(field) as string]);
  }
});

it('answers another tenant’s provider as missing, and shows no other tenant a route', async () => {
  const { routeId } = await create();
  const stranger = await service.createOrg(`stranger-${tests}`, undefined, { provider: false });
  const body = (providerId: string): object => ({ name: 'theirs', targets: [{ provider_id: providerId, model: 'm' }] });
  const [theirs, missing] = [
    await ask('create', body(one.providerId), stranger),
    await ask('create', body('provider_x'), stranger),
  ];
  const told = ({ status, text }: Answer): unknown => [
    status,
    (JSON.parse(text) as { error: { message: string } }).error.message,
  ];
  expect(told(theirs)).toEqual(told(missing));
  for (const method of ['get', 'update', 'delete'])
    expect([method, (await ask(method, { route_id: routeId }, stranger)).status]).toEqual([method, 404]);
});

it('refuses to delete a provider that a route leads to, and names the route', async () => {
  const { routeId } = await create();
  const refused = await askProviders(service, org, 'delete', { provider_id: one.providerId });
  expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('careful') as string]);
  await ask('delete', { route_id: routeId });
  expect((await askProviders(service, org, 'delete', { provider_id: one.providerId })).status).toBe(200);
});

it('skips a disabled provider, and lists a route with disabled providers only as one that leads nowhere', async () => {
  await create();
  const disable = ({ providerId }: ProviderView): Promise<Answer> =>
    askProviders(service, org, 'update', { provider_id: providerId, enabled: false });
  expect((await disable(one)).status).toBe(200);
  expect((await chat()).headers['x-gatehouse-provider']).toBe('openai_compatible/two');
  const targets = [{ provider_id: one.providerId, model: 'gpt-4o-mini' }];
  await create({ name: 'nowhere', targets });
  const refused = await chat('nowhere');
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('route_without_provider') as string]);
  const asUser = { user: org.user, tenant: org.tenantId };
  const { models } = await service.asUser<{ models: object[] }>(asUser, 'llm/models/list', {});
  expect(models).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ model: 'careful', targets: [{ provider: 'openai_compatible/two', model: 'gpt-4o' }] }),
      expect.objectContaining({ model: 'nowhere', targets: [] }),
    ]),
  );
});

it('divides calls by weight', async () => {
  const targets = [
    { provider_id: one.providerId, model: 'a', weight: 3 },
    { provider_id: two.providerId, model: 'b', weight: 1 },
  ];
  await create({ name: 'divided', strategy: 'WEIGHTED', targets });
  for (let i = 0; i < 40; i += 1) expect((await chat('divided')).status).toBe(200);
  expect([first.requests.length, second.requests.length]).toEqual([30, 10]);
});

describe('a limit of a human whose calls use a route', () => {
  const LIMIT = 30;
  const ANSWERS = { kind: 'body', body: completion({ usage: usageOf(5, 7) }) } as const;

  /** Three of ten tries of the first target fail; the second one always answers. */
  beforeEach(async () => {
    await create();
    let asked = 0;
    first.otherwise = () => ((asked += 1) % 10 < 3 ? FAILS : ANSWERS);
    second.otherwise = () => ANSWERS;
    await setLimits(service.app.get(Database), org.tenantId, 'ann', { request_cnt: units(LIMIT) });
  });

  const callsAtOnce = (count: number): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, () => chat('careful', { 'x-human-id': 'ann' })));

  async function expectUsedUp(): Promise<void> {
    const rows = (await settled(LIMIT)).filter(({ outcome }) => outcome === 'OK');
    expect(rows).toHaveLength(LIMIT);
    const account = await accountOf((text, values) => service.sql(text, values), org.tenantId, 'ann', 'request_cnt');
    expect(account).toMatchObject({ left: 0n, reserved: 0n, held: 0n, spent: units(LIMIT) });
  }

  it('admits exactly as many calls as fit, since a failed try gives back what it held', async () => {
    expect((await callsAtOnce(LIMIT)).filter(({ status }) => status !== 200).map(({ text }) => text)).toEqual([]);
    expect((await chat('careful', { 'x-human-id': 'ann' })).status).toBe(429);
    await expectUsedUp();
    const failed = (await ledgerOf(service)).filter(({ outcome }) => outcome === 'UPSTREAM_ERROR');
    expect(failed).toHaveLength((LIMIT * 3) / 10);
    expect(failed.every(({ input_tokens, output_tokens }) => input_tokens + output_tokens === 0)).toBe(true);
  });

  it('admits no more of them where more are made at once', async () => {
    const answers = await callsAtOnce(LIMIT + 15);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(LIMIT);
    await expectUsedUp();
  });
});
