/** Gabber's additions to a completion: a context before its messages, and its usage beside its answer. */
import { createHash } from 'node:crypto';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import type { Answer, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { openaiError } from '../refusals.js';

let service: SharedService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await sharedService();
  org = await service.createOrg();
  ({ key } = await service.createKey(org, {
    scopes: ['conversations:read', 'conversations:write', 'chat:write', 'users:impersonate', 'usage:write'],
  }));
});

afterAll(() => service.stop());

beforeEach(() => service.upstream.reset());

type Headers = Readonly<Record<string, string>>;
const asKey = (headers: Headers = {}): Headers => ({ 'x-api-key': key, ...headers });
const post = (path: string, body: unknown, headers: Headers = asKey()): Promise<Answer> =>
  service.call('POST', path, { headers, body });
const user = (content: string): object => ({ role: 'user', content });
const complete = (more: object = {}, headers: Headers = asKey()): Promise<Answer> =>
  post('/v1/chat/completions', { model: UPSTREAM_MODEL, messages: [user('Now')], ...more }, headers);
const contextOf = async (messages: object[], headers: Headers = asKey()): Promise<string> =>
  (await post('/v1/llm/context', { messages }, headers)).json<{ id: string }>().id;
const sent = (): Record<string, unknown> =>
  JSON.parse(service.upstream.requests.at(-1)!.body.toString()) as Record<string, unknown>;

describe('gabber.context', () => {
  it('puts the context’s messages before the request’s own; the field itself is not sent on, and nothing is stored', async () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: { at: 'sky' } } };
    const context = await contextOf([
      { role: 'system', content: 'Be brief.' },
      { role: 'assistant', content: '', tool_calls: [call] },
      { role: 'tool', content: 'blue' },
    ]);
    const answer = await complete({ temperature: 0.1, gabber: { context } });
    expect(answer.status).toBe(200);
    expect(sent()).toMatchObject({
      temperature: 0.1,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'assistant', tool_calls: [{ ...call, function: { name: 'look', arguments: '{"at":"sky"}' } }] },
        { role: 'tool', tool_call_id: 'call_1', content: 'blue' },
        user('Now'),
      ],
    });
    expect(sent()).not.toHaveProperty('gabber');
    const list = await service.call('GET', `/v1/llm/context/${context}/message/list`, { headers: asKey() });
    expect(list.json()).toMatchObject({ total_count: 3 });
  });

  it("is bounded with the rest of the request: a context can exceed a limit that the request's own messages fit", async () => {
    const human = { 'x-human-id': 'bounded' };
    await service.call('PUT', '/v1/usage/token', {
      headers: asKey(),
      body: { human: 'bounded', limits: [{ type: 'token_cnt', value: 2_000 }] },
    });
    const context = await contextOf([user('word '.repeat(4_000))]);
    const refused = await complete({ max_tokens: 10, gabber: { context } }, asKey(human));
    expect(openaiError(refused, 429).code).toBe('usage_limit_exceeded');
    expect(service.upstream.requests).toHaveLength(0);
    expect((await complete({ max_tokens: 10 }, asKey(human))).status).toBe(200);
  });

  it.each<[string, unknown, number, string]>([
    ['that does not exist', { context: '019a0000-0000-7000-8000-000000000000' }, 404, ''],
    ['that is not text', { context: 5 }, 400, 'gabber.context'],
    ['in a field that is not an object', 'x', 400, 'gabber'],
    ['beside a voice', { voice: 'v' }, 400, 'gabber.voice'],
  ])('a context %s: %j is %d, and nothing goes upstream', async (_what, gabber, status, param) => {
    const error = openaiError(await complete({ gabber }), status);
    if (param !== '') expect(error.param).toBe(param);
    expect(service.upstream.requests).toHaveLength(0);
  });

  it('of another human is answered as an unknown one', async () => {
    const context = await contextOf([user('mine')], asKey({ 'x-on-behalf-of': 'ann' }));
    openaiError(await complete({ gabber: { context } }, asKey({ 'x-on-behalf-of': 'bea' })), 404);
    expect((await complete({ gabber: { context } }, asKey({ 'x-on-behalf-of': 'ann' }))).status).toBe(200);
  });

  it('is not sent upstream where it is null or empty', async () => {
    for (const gabber of [null, {}, { context: null }]) {
      expect((await complete({ gabber })).status).toBe(200);
      expect(sent()).toEqual({ model: UPSTREAM_MODEL, messages: [user('Now')] });
    }
  });
});

describe('gabber.usage', () => {
  interface Told {
    readonly usage: { id: string; type: string; value: number; human: string; project: string }[];
    readonly message_data: unknown[];
  }
  const human = { 'x-human-id': 'used' };

  async function expectUsage({ usage, message_data: data }: Told): Promise<void> {
    expect(data).toEqual([]);
    const [record] = await service.sql<{ id: string; tokens: number; requests: number; cost: string }>(
      `SELECT id, (input_tokens + output_tokens)::float8 AS tokens, requests::float8 AS requests, cost_pico_usd::text AS cost FROM usage_records
       WHERE tenant_id = $1 AND state = 'SETTLED' ORDER BY created_at DESC LIMIT 1`,
      [org.tenantId],
    );
    const values = [
      ['token_cnt', record!.tokens],
      ['request_cnt', record!.requests],
      ['cost_micros', Number(record!.cost) / 1_000_000],
    ] as const;
    expect(usage).toEqual(
      values.map(([type, value]) => ({
        id: createHash('md5')
          .update(`usage.tracked:${record!.id}:${type}`)
          .digest('hex')
          .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
        ...{ type, value, human: 'used', project: org.tenantId },
      })),
    );
  }
  const settled = (): Promise<unknown> =>
    service.call('GET', '/v1/usage/limits', { headers: asKey({ 'x-human-id': 'used' }) });

  it('is in a human’s answer with the numbers of the ledger and the webhooks', async () => {
    const answer = await complete({}, asKey(human));
    expect(answer.status).toBe(200);
    const { gabber, ...rest } = answer.json<{ gabber: Told } & Record<string, unknown>>();
    await settled();
    await expectUsage(gabber);
    // The other fields are the provider's.
    expect(rest).toEqual((await complete({})).json());
  });

  it('is in the last chunk of a human’s stream, before its end mark, in a choice without text', async () => {
    const answer = await complete({ stream: true }, asKey(human));
    const events = answer.text.split('\n\n').filter((event) => event !== '');
    expect(events.at(-1)).toBe('data: [DONE]');
    const chunk = JSON.parse(events.at(-2)!.slice('data: '.length)) as Record<string, unknown>;
    const first = JSON.parse(events[0]!.slice('data: '.length)) as Record<string, unknown>;
    const { gabber, ...names } = chunk;
    expect(names).toEqual({
      ...{ id: first['id'], object: 'chat.completion.chunk', created: first['created'], model: first['model'] },
      choices: [{ index: 0, delta: {}, finish_reason: null }],
    });
    await settled();
    await expectUsage(gabber as Told);
    const untouched = (await complete({ stream: true })).text;
    expect([...events.slice(0, -2), events.at(-1)].map((event) => `${event}\n\n`).join('')).toBe(untouched);
  });

  it('is absent where no human is charged', async () => {
    for (const stream of [false, true]) expect((await complete({ stream })).text).not.toContain('gabber');
  });
});
