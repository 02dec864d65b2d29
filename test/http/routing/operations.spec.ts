/** Routes whose targets do not all support the same operations, for each operation, for limited keys and on two replicas. */
import OpenAI from 'openai';
import { anthropicSays } from '../../support/anthropic-wire.js';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream, errorBody } from '../../support/openai-upstream.js';
import { startService, type Answer, type Org, type ServiceClient, type TestService } from '../../support/service.js';
import { WireUpstream } from '../../support/wire-upstream.js';
import { clearLedger, ledgerOf, settledCalls } from '../ledger.js';
import { create as createProvider, type ProviderView } from '../providers/providers.js';
import { openaiError } from '../refusals.js';

const FAILS = { kind: 'body', status: 500, body: errorBody('No.', 'server_error') } as const;
const CLAUDE = 'claude-sonnet-4-5';

let service: TestService;
let replica: TestService;
let chatOnly: WireUpstream;
let first: OpenaiUpstream;
let second: OpenaiUpstream;
let org: Org;
let key: string;
let claude: ProviderView;
let one: ProviderView;
let two: ProviderView;

beforeAll(async () => {
  const settings = { mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'], circuitFailures: 1_000 } as const;
  service = await startService({ settings });
  const { database, issuer, upstream, google } = service;
  replica = await startService({ database, issuer, upstream, google, settings });
  chatOnly = await WireUpstream.start(anthropicSays());
  first = await OpenaiUpstream.start();
  second = await OpenaiUpstream.start();
  org = await service.createOrg('founder', undefined, { provider: false });
  ({ key } = await service.createKey(org, { requestsPerMinute: 100_000 }));
  const credentials = { apiKey: 'sk-own' };
  const made = (name: string, kind: string, baseUrl: string, more: object = {}): Promise<ProviderView> =>
    createProvider(service, org, { name, kind, baseUrl, credentials, ...more });
  claude = await made('claude', 'anthropic', `${chatOnly.origin}/v1`, { models: [CLAUDE] });
  one = await made('one', 'openai_compatible', first.baseUrl, { settings: { responses: true } });
  two = await made('two', 'openai_compatible', second.baseUrl);
  const target = ({ providerId }: ProviderView, model: string): object => ({ provider_id: providerId, model });
  await route('create', 'mixed', [target(claude, CLAUDE), target(one, 'model-1'), target(two, 'model-2')]);
  await route('create', 'talking', [target(claude, CLAUDE)]);
});

afterAll(async () => {
  await replica.stop();
  await service.stop();
  for (const upstream of [chatOnly, first, second]) await upstream.close();
});

beforeEach(async () => {
  for (const upstream of [chatOnly, first, second]) upstream.reset();
  await clearLedger(service);
});

function route(method: string, name: string, targets: readonly object[], more: object = {}): Promise<unknown> {
  const body = { name, targets, retry: { attempts: 1 }, ...more };
  return service.asUser({ user: org.user, tenant: org.tenantId }, `llm/routes/${method}`, body);
}

const call = (path: string, body: object, on: ServiceClient = service, by = key): Promise<Answer> =>
  on.call('POST', path, { headers: { authorization: `Bearer ${by}` }, body });
const embed = (model: string, on?: ServiceClient, by?: string): Promise<Answer> =>
  call('/v1/embeddings', { model, input: 'x' }, on, by);

const client = (): OpenAI => new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
const askedOf = ({ requests }: OpenaiUpstream): unknown[] =>
  requests.map(({ path, body }) => [path, (JSON.parse(body.toString()) as { model: string }).model]);

describe('embeddings by a route', () => {
  it('skip a target that supports only chat, and fall back among the others', async () => {
    first.next(FAILS);
    const { data } = await client().embeddings.create({ model: 'mixed', input: ['a', 'b'] });
    expect(data).toHaveLength(2);
    expect([askedOf(first), askedOf(second)]).toEqual([
      [['/v1/embeddings', 'model-1']],
      [['/v1/embeddings', 'model-2']],
    ]);
    expect(chatOnly.requests).toEqual([]);
    expect(await settledCalls(service, 2)).toMatchObject([
      { provider: 'openai_compatible/one', outcome: 'UPSTREAM_ERROR', input_tokens: 0 },
      { provider: 'openai_compatible/two', outcome: 'OK', input_tokens: 10 },
    ]);
  });

  it('are refused where no target supports them; the error names the operation and the targets', async () => {
    const { message, code } = openaiError(await embed('talking'), 400);
    expect(code).toBe('operation_not_supported');
    expect(message).toBe(
      `model: names the route talking, none of whose targets serves /v1/embeddings: ` +
        `anthropic/claude with ${CLAUDE} serves /v1/chat/completions`,
    );
    const direct = openaiError(await embed(CLAUDE), 400);
    expect(direct.message).toBe(
      `model: names ${CLAUDE}, whose provider does not serve /v1/embeddings; it serves /v1/chat/completions`,
    );
    expect(await ledgerOf(service)).toEqual([]);
  });
});

it('a response uses each target in its own way, translated where the provider supports only chat', async () => {
  chatOnly.next({ status: 529, chunks: ['{"type":"error","error":{"type":"overloaded_error","message":"Busy."}}'] });
  first.next(FAILS);
  const { output_text: text } = await client().responses.create({ model: 'mixed', input: 'Say hello.', store: false });
  expect(text).toBe('Hello from the upstream.');
  expect(chatOnly.last.path).toBe('/v1/messages');
  expect([askedOf(first), askedOf(second)]).toEqual([
    [['/v1/responses', 'model-1']],
    [['/v1/chat/completions', 'model-2']],
  ]);
  const rows = await settledCalls(service, 3);
  expect(rows.map(({ provider, outcome }) => [provider, outcome])).toEqual([
    ['anthropic/claude', 'UPSTREAM_ERROR'],
    ['openai_compatible/one', 'UPSTREAM_ERROR'],
    ['openai_compatible/two', 'OK'],
  ]);
});

it('a key that is limited to a route can use it, and none of its targets by their own names', async () => {
  const { result } = await service.asUser<{ result: { key: string } }>(
    { user: org.user, tenant: org.tenantId },
    'api-keys/create',
    { name: 'Confined', models: ['mixed'] },
  );
  const models = await service.call('GET', '/v1/models', { headers: { authorization: `Bearer ${result.key}` } });
  expect(models.json<{ data: { id: string }[] }>().data.map(({ id }) => id)).toEqual(['mixed']);
  expect((await embed('mixed', service, result.key)).status).toBe(200);
  const talk = { messages: [{ role: 'user', content: 'Hi.' }] };
  for (const model of ['model-1', CLAUDE, 'talking'])
    openaiError(await call('/v1/chat/completions', { ...talk, model }, service, result.key), 403);
});

it('a changed route applies on the other replica, where no later call uses the old one', async () => {
  const model = 'moving';
  const to = ({ providerId }: ProviderView): object[] => [{ provider_id: providerId, model: 'm' }];
  const made = (await route('create', model, to(one))) as { route: { routeId: string } };
  const by = async (): Promise<unknown> => (await embed(model, replica)).headers['x-gatehouse-provider'];
  expect(await by()).toBe('openai_compatible/one');
  const change = { route_id: made.route.routeId, name: model, targets: to(two) };
  await service.asUser({ user: org.user, tenant: org.tenantId }, 'llm/routes/update', change);
  await eventually(async () => (await by()) === 'openai_compatible/two');
  const asked = first.requests.length;
  for (let i = 0; i < 5; i += 1) expect(await by()).toBe('openai_compatible/two');
  expect(first.requests).toHaveLength(asked);
});
