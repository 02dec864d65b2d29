/** Stored responses: only their maker can read them, delete them and continue from them. */
import { randomUUID } from 'node:crypto';
import OpenAI from 'openai';
import { setLimits } from '../../support/chaos-world.js';
import { keepingUpstream } from '../../support/keeping-upstream.js';
import { response } from '../../support/openai-responses.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { jsonAnswer, WireUpstream } from '../../support/wire-upstream.js';
import { clearLedger, ledgerOf, settledCall } from '../ledger.js';
import { ask as askProviders, create as createProvider } from '../providers/providers.js';
import { openaiError } from '../refusals.js';

const MODEL = 'gpt-4o-mini';
const SCOPES = ['chat:write', 'users:impersonate', 'humans:write'] as const;

let service: TestService;
let platform: WireUpstream;
let own: WireUpstream;
let org: Org;
let key: string;

beforeAll(async () => {
  platform = await WireUpstream.start(keepingUpstream('platform'));
  own = await WireUpstream.start(keepingUpstream('own'));
  const settings = { openaiBaseUrl: `${platform.origin}/v1`, openaiResponses: 'on', mode: 'development' } as const;
  service = await startService({ settings: { ...settings, outboundAllowCidrs: ['127.0.0.0/8'] } });
});

afterAll(async () => {
  await service.stop();
  await platform.close();
  await own.close();
});

let tests = 0;
beforeEach(async () => {
  org = await service.createOrg(`founder-${(tests += 1)}`);
  ({ key } = await service.createKey(org, { requestsPerMinute: 100_000, scopes: SCOPES }));
  await clearLedger(service);
  platform.reset();
  own.reset();
});

type Headers = Readonly<Record<string, string>>;
const as = (human: string): Headers => ({ 'x-on-behalf-of': human });
const call = (method: string, path: string, body: object | undefined, headers: Headers = {}): Promise<Answer> =>
  service.call(method, path, {
    headers: { authorization: `Bearer ${key}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
const make = (fields: object = {}, headers: Headers = {}): Promise<Answer> =>
  call('POST', '/v1/responses', { model: MODEL, input: 'Say hello.', ...fields }, headers);
const made = async (fields: object = {}, headers: Headers = {}): Promise<string> => {
  const answer = await make(fields, headers);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return answer.json<{ id: string }>().id;
};
const tell = (id: string, headers: Headers = {}): Promise<Answer> =>
  call('GET', `/v1/responses/${id}`, undefined, headers);
const remove = (id: string, headers: Headers = {}): Promise<Answer> =>
  call('DELETE', `/v1/responses/${id}`, undefined, headers);
const client = (): OpenAI => new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
const notes = (): Promise<object[]> =>
  service.sql('SELECT owner, provider_id, tokens FROM llm_responses WHERE tenant_id = $1', [org.tenantId]);

it('can be read and deleted by OpenAI’s client, and cost nothing', async () => {
  const { id, output_text: text } = await client().responses.create({ model: MODEL, input: 'Say hello.' });
  await settledCall(service);
  const told = await client().responses.retrieve(id, { include: ['message.output_text.logprobs'] });
  expect([told.id, told.output_text]).toEqual([id, text]);
  expect(platform.last.path).toBe(`/v1/responses/${id}?include%5B%5D=message.output_text.logprobs`);
  const answer = await tell(id);
  expect(answer.headers['x-ratelimit-remaining']).toMatch(/^\d+$/);
  expect(openaiError(await tell(`${id}?stream=true`), 400).message).toMatch(/^stream: /);
  await client().responses.delete(id);
  expect(platform.last.method).toBe('DELETE');
  const asked = platform.requests.length;
  await expect(client().responses.retrieve(id)).rejects.toMatchObject({ status: 404, code: 'response_not_found' });
  expect(platform.requests).toHaveLength(asked);
  expect(await ledgerOf(service)).toHaveLength(1);
});

it('exist once their stream has ended', async () => {
  const stream = await client().responses.create({ model: MODEL, input: 'Say hello.', stream: true });
  for await (const event of stream) {
    if (event.type !== 'response.completed') continue;
    expect((await tell(event.response.id)).status).toBe(200);
  }
  expect(await notes()).toEqual([{ owner: 'tenant', provider_id: null, tokens: 21 }]);
});

it.each([
  ['first', (id: string, rest: object) => ({ id, ...rest })],
  ['last', (id: string, rest: object) => ({ ...rest, id })],
])('can be read after a large answer whose id comes %s', async (place, answerOf) => {
  const { id: _id, ...rest } = response({ model: MODEL }) as { id: string };
  const id = `resp_large_${place}`;
  platform.next(jsonAnswer(answerOf(id, { ...rest, metadata: { id: 'resp_other', text: 'x'.repeat(200_000) } })));
  expect(await made()).toBe(id);
  await tell(id);
  expect(platform.last.path).toBe(`/v1/responses/${id}`);
});

it('are not recorded where the provider does not store them', async () => {
  const id = await made({ store: false });
  expect(await notes()).toEqual([]);
  openaiError(await tell(id), 404);
});

describe('of another owner', () => {
  const ways = (id: string, headers: Headers = {}): Promise<Answer[]> =>
    Promise.all([tell(id, headers), remove(id, headers), make({ previous_response_id: id }, headers)]);
  const said = (answers: readonly Answer[]): unknown[] => answers.map(({ status, text }) => [status, text]);

  it('are answered as missing ones, and nothing is sent: of another tenant', async () => {
    const id = await made();
    const asked = platform.requests.length;
    const stranger = await service.createOrg(`stranger-${tests}`);
    ({ key } = await service.createKey(stranger));
    const answers = said(await ways(id));
    expect(answers).toEqual(said(await ways('resp_missing')));
    expect(answers.map((answer) => (answer as [number])[0])).toEqual([404, 404, 404]);
    expect(platform.requests).toHaveLength(asked);
  });

  it('are answered as missing ones, and nothing is sent: of another human, or of the tenant', async () => {
    const [anns, tenants] = [await made({}, as('ann')), await made()];
    const asked = platform.requests.length;
    for (const [id, headers] of [
      [anns, as('bea')],
      [anns, {}],
      [tenants, as('ann')],
    ] as const)
      expect(said(await ways(id, headers))).toEqual(said(await ways('resp_missing', headers)));
    expect(platform.requests).toHaveLength(asked);
    expect((await tell(anns, as('ann'))).status).toBe(200);
  });
});

describe('another response', () => {
  it('continues from one by its id, and no id leads to another provider', async () => {
    const id = await made();
    const next = await made({ previous_response_id: id });
    expect((await tell(next)).json()).toMatchObject({ previous_response_id: id });
    await createProvider(service, org, {
      name: 'own',
      kind: 'openai_compatible',
      baseUrl: `${own.origin}/v1`,
      models: ['owned'],
      settings: { responses: true },
    });
    const refused = await make({ model: 'owned', previous_response_id: id });
    expect(openaiError(refused, 400).message).toContain('previous_response_id: ');
    const owned = await made({ model: 'owned' });
    expect((await tell(owned)).json()).toMatchObject({ id: owned, model: 'owned' });
    openaiError(await make({ previous_response_id: owned }), 400);
    expect(own.requests.filter(({ method, path }) => method === 'POST' && path === '/v1/responses')).toHaveLength(1);
  });

  it('is bounded by the earlier turns, where the same model continues', async () => {
    const human = randomUUID();
    await setLimits(service.database, org.tenantId, human, { token_cnt: 1_000_000 });
    const id = await made({}, as(human));
    const reserved = async (fields: object): Promise<number> => {
      await clearLedger(service);
      await made({ max_output_tokens: 16, ...fields }, as(human));
      return (await settledCall(service)).reserved_input_tokens;
    };
    const [anew, goingOn] = [await reserved({}), await reserved({ previous_response_id: id })];
    expect(goingOn - anew).toBeGreaterThanOrEqual(21);
    const other = await make({ model: 'gpt-4o', previous_response_id: id }, as(human));
    expect(openaiError(other, 400)).toMatchObject({ code: 'usage_not_bounded' });
    const cut = await made({ truncation: 'auto' }, as(human));
    openaiError(await make({ previous_response_id: cut }, as(human)), 400);
  });
});

it('are deleted with their human, and with their provider', async () => {
  const provider = await createProvider(service, org, {
    name: 'own',
    kind: 'openai_compatible',
    baseUrl: `${own.origin}/v1`,
    models: ['owned'],
    settings: { responses: true },
  });
  await made({}, as('ann'));
  await made({ model: 'owned' });
  expect(await notes()).toHaveLength(2);
  const erased = await call('POST', '/api/v1/humans/delete', { human: 'ann' });
  expect(erased.status).toBe(200);
  expect(await notes()).toEqual([{ owner: 'tenant', provider_id: provider.providerId, tokens: 21 }]);
  expect((await askProviders(service, org, 'delete', { provider_id: provider.providerId })).status).toBe(200);
  expect(await notes()).toEqual([]);
});
