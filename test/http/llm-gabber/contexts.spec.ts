/** Contexts and models for Gabber's client: who owns them, what is stored, and what is deleted with their owner. */
import { randomUUID } from 'node:crypto';
import type { Answer, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { dump } from '../../support/sql.js';
import { openaiError } from '../refusals.js';
import { gabber } from './gabber-client.js';

let service: SharedService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.createOrg();
  ({ key } = await service.createKey(org, {
    scopes: [
      'conversations:read',
      'conversations:write',
      'chat:write',
      'users:impersonate',
      'usage:write',
      'humans:write',
    ],
  }));
});

type Headers = Readonly<Record<string, string>>;
interface Context {
  readonly id: string;
}
interface Listed<T = Context> {
  readonly next_page?: string;
  readonly total_count: number;
  readonly values: T[];
}
interface Message {
  readonly id: string;
  readonly content: { text: string }[];
}

const asKey = (headers: Headers = {}): Headers => ({ 'x-api-key': key, ...headers });
const as = (human: string): Headers => asKey({ 'x-on-behalf-of': human });
const get = (path: string, headers: Headers = asKey()): Promise<Answer> => service.call('GET', path, { headers });
const post = (path: string, body: unknown, headers: Headers = asKey()): Promise<Answer> =>
  service.call('POST', path, { headers, body });
const create = async (messages: unknown[], headers: Headers = asKey()): Promise<string> => {
  const answer = await post('/v1/llm/context', { messages }, headers);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return answer.json<Context & Record<string, unknown>>().id;
};
const user = (content: string): object => ({ role: 'user', content });
const textsOf = async (context: string, headers: Headers = asKey()): Promise<string[]> =>
  (await get(`/v1/llm/context/${context}/message/list`, headers))
    .json<Listed<Message> & Record<string, unknown>>()
    .values.map(({ content }) => content.map(({ text }) => text).join());

it("works with Gabber’s own client, call by call, with a human's token", async () => {
  const made = await post('/v1/usage/token', { human: 'ann' });
  const { token } = made.json<{ token: string }>();
  const toolCalls = [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: { at: 'sky' } } }];
  const startedAt = '2026-11-29T12:00:00.000Z';
  const answers = await gabber(service.baseUrl, token, [
    ['createContext', { messages: [{ role: 'system', content: 'Be brief.' }] }],
    [
      'createContextMessage',
      '$0.id',
      { role: 'assistant', content: '', tool_calls: toolCalls, speaking_started_at: startedAt },
    ],
    ['getContext', '$0.id'],
    ['getContextMessage', '$0.id', '$1.id'],
    ['listContextMessages', '$0.id'],
    ['listLLMs'],
    ['getLLM', 'gpt-4o-mini'],
  ]);
  const id = expect.any(String) as string;
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string;
  const context = { id, created_at: time, project: org.tenantId, human: 'ann' };
  const said = {
    id,
    created_at: time,
    role: 'assistant',
    content: [{ type: 'text', text: '' }],
    tool_calls: toolCalls,
    speaking_started_at: startedAt,
  };
  const llm = {
    id: 'gpt-4o-mini',
    name: 'gpt-4o-mini',
    created_at: time,
    type: expect.any(String) as string,
    compliance: false,
    description: expect.stringContaining('128000 tokens') as string,
  };
  expect(answers.map(({ status }) => status)).toEqual(Array<number>(7).fill(200));
  const first = { id, created_at: time, role: 'system', content: [{ type: 'text', text: 'Be brief.' }] };
  expect(answers.map(({ data }) => data)).toEqual([
    context,
    said,
    context,
    said,
    { total_count: 2, values: [first, said] },
    { next_page: null, total_count: expect.any(Number) as number, values: expect.arrayContaining([llm]) as unknown[] },
    llm,
  ]);
  expect(answers[2]?.data).toEqual(answers[0]?.data);
  expect(answers[3]?.data).toEqual(answers[1]?.data);
});

it("a page has the total and the next page's address: contexts newest first, messages in order", async () => {
  const made = [await create([]), await create([]), await create(['a', 'b', 'c'].map(user))];
  const first = (await get('/v1/llm/context/list?page_size=2')).json<Listed & Record<string, unknown>>();
  expect(first).toMatchObject({ total_count: 3, values: [{ id: made[2] }, { id: made[1] }] });
  const second = (await get(first.next_page!)).json<Listed & Record<string, unknown>>();
  expect(second).toEqual({ total_count: 3, values: [expect.objectContaining({ id: made[0] })] });

  const list = `/v1/llm/context/${made[2]}/message/list`;
  const one = (await get(`${list}?page_size=2`)).json<Listed<Message> & Record<string, unknown>>();
  expect(one.values.map(({ content }) => content[0]?.text)).toEqual(['a', 'b']);
  const two = (await get(one.next_page!)).json<Listed<Message> & Record<string, unknown>>();
  expect(two).toMatchObject({ total_count: 3, values: [{ content: [{ type: 'text', text: 'c' }] }] });
  expect(two.next_page).toBeUndefined();

  // A token of another listing, and a forged one.
  const token = new URL(first.next_page!, 'http://x').searchParams.get('page_token');
  for (const path of [`${list}?page_token=${token}`, '/v1/llm/context/list?page_token=x'])
    expect(openaiError(await get(path), 400).param).toBe('page_token');
});

it('a page holds few long messages, and its address leads to the rest', async () => {
  const texts = Array.from({ length: 6 }, (_, index) => `${index}${'x'.repeat(999_000)}`);
  const list = `/v1/llm/context/${await create(texts.map(user))}/message/list`;
  const pages: string[][] = [];
  for (let path: string | undefined = list; path !== undefined;) {
    const page: Listed<Message> = (await get(path)).json<Listed<Message> & Record<string, unknown>>();
    pages.push(page.values.map(({ content }) => content[0]!.text));
    path = page.next_page;
  }
  expect(pages.map(({ length }) => length)).toEqual([4, 2]);
  expect(pages.flat()).toEqual(texts);
});

it.each<[string, string, unknown, string]>([
  ['an unknown role', 'messages[0].role', { messages: [{ role: 'robot', content: 'x' }] }, ''],
  ['a message without content', 'messages[0].content', { messages: [{ role: 'user' }] }, ''],
  ['U+0000', 'messages[0].content', { messages: [user('a\u0000b')] }, ''],
  ['messages that are not a list', 'messages', { messages: {} }, ''],
  ['a field of Gabber’s that has no meaning here', 'persona', { persona: 'p' }, ''],
  ['a text for a time', 'speaking_ended_at', { role: 'user', content: 'x', speaking_ended_at: 'noon' }, '/message'],
  [
    'arguments that are not an object',
    'tool_calls[0].function.arguments',
    {
      role: 'assistant',
      content: '',
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
    '/message',
  ],
])('%s is 400 naming %s, and stores nothing', async (_what, field, body, below) => {
  const path = below === '' ? '/v1/llm/context' : `/v1/llm/context/${await create([])}${below}`;
  const counts = 'SELECT (SELECT count(*) FROM llm_contexts) + (SELECT count(*) FROM llm_context_messages) AS rows';
  const before = await service.sql(counts);
  expect(openaiError(await post(path, body), 400).param).toBe(field);
  expect(await service.sql(counts)).toEqual(before);
});

it('an unknown parameter of a listing is 400 and named', async () => {
  expect(openaiError(await get('/v1/llm/context/list?limit=5'), 400).param).toBe('limit');
  expect(openaiError(await get('/v1/llm/context/list?page_size=501'), 400).param).toBe('page_size');
});

it('another identity’s context is answered as missing, for every caller and route', async () => {
  const ann = await create([user('of ann')], as('ann'));
  const servers = await create([user('of the server')]);
  const other = await service.createOrg();
  const theirs = await service.createKey(other, { scopes: ['conversations:read', 'conversations:write'] });
  const dashboard = { authorization: `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId })}` };
  const strangers: [string, Headers][] = [
    [ann, as('bea')],
    [ann, asKey()],
    [ann, asKey({ 'x-human-id': 'ann' })],
    [ann, dashboard],
    [servers, dashboard],
    [servers, as('ann')],
    [servers, { 'x-api-key': theirs.key }],
  ];
  const told = ({ status, text }: Answer): unknown[] => [status, text];
  for (const [id, headers] of strangers) {
    const missing = randomUUID();
    const ask = async (context: string): Promise<unknown[]> => [
      told(await get(`/v1/llm/context/${context}`, headers)),
      told(await get(`/v1/llm/context/${context}/message/list`, headers)),
      told(await get(`/v1/llm/context/${context}/message/${missing}`, headers)),
      told(await post(`/v1/llm/context/${context}/message`, user('mine'), headers)),
    ];
    expect(await ask(id)).toEqual(await ask(missing));
    expect(told(await get(`/v1/llm/context/${id}`, headers))[0]).toBe(404);
    const { values } = (await get('/v1/llm/context/list', headers)).json<Listed & Record<string, unknown>>();
    expect(values.map((context) => context.id)).not.toContain(id);
  }
  expect(await textsOf(ann, as('ann'))).toEqual(['of ann']);
  expect(await textsOf(servers)).toEqual(['of the server']);
});

it('a message of another context is answered as missing', async () => {
  const [one, two] = [await create([user('x')]), await create([])];
  const list = (await get(`/v1/llm/context/${one}/message/list`)).json<Listed<Message> & Record<string, unknown>>();
  const message = list.values[0]!.id;
  expect((await get(`/v1/llm/context/${one}/message/${message}`)).status).toBe(200);
  openaiError(await get(`/v1/llm/context/${two}/message/${message}`), 404);
  openaiError(await get(`/v1/llm/context/${one}/message/nonsense`), 404);
  openaiError(await get('/v1/llm/context/nonsense'), 404);
});

it('a repeat by its Idempotency-Key stores nothing twice, and gets the same answer', async () => {
  const headers = { ...as('ann'), 'idempotency-key': 'once' };
  const [one, two] = [await post('/v1/llm/context', {}, headers), await post('/v1/llm/context', {}, headers)];
  const { notice, ...repeated } = two.json();
  expect([repeated, typeof notice]).toEqual([one.json(), 'string']);
  // The same key from another human is another key.
  const beas = await post('/v1/llm/context', {}, { ...as('bea'), 'idempotency-key': 'once' });
  expect(beas.json<Context & Record<string, unknown>>().id).not.toBe(repeated['id']);

  const path = `/v1/llm/context/${String(repeated['id'])}/message`;
  const again = { ...as('ann'), 'idempotency-key': 'again' };
  const said = [await post(path, user('hi'), again), await post(path, user('hi'), again)];
  const { notice: said2, ...message } = said[1]!.json();
  expect([message, typeof said2]).toEqual([said[0]!.json(), 'string']);
  openaiError(await post(path, user('other'), again), 409);
  expect(await textsOf(String(repeated['id']), headers)).toEqual(['hi']);
});

it('simultaneous messages each have a place of their own', async () => {
  const context = await create([]);
  const sent = Array.from({ length: 12 }, (_, index) => `message ${index}`);
  await Promise.all(sent.map((content) => post(`/v1/llm/context/${context}/message`, user(content))));
  expect((await textsOf(context)).toSorted()).toEqual(sent.toSorted());
});

it("a message's text is nowhere in the database in the clear, and is deleted with its human", async () => {
  const [human, secret] = [`erin-${randomUUID()}`, `the secret ${randomUUID()}`];
  const context = await create([user(secret)], as(human));
  await post(`/v1/llm/context/${context}/message`, user(secret), { ...as(human), 'idempotency-key': 'k' });
  expect(await textsOf(context, as(human))).toEqual([secret, secret]);
  const kept = await dump(service.database.superuserUrl);
  expect(kept).toContain(context);
  for (const form of [secret, Buffer.from(secret).toString('hex')]) expect(kept).not.toContain(form);

  const erased = await service.call('POST', '/api/v1/humans/delete', { headers: asKey(), body: { human } });
  expect(erased.status).toBe(200);
  const rows = await service.sql(
    'SELECT id FROM llm_contexts WHERE id = $1 UNION ALL SELECT id FROM llm_context_messages WHERE context_id = $1',
    [context],
  );
  expect(rows).toEqual([]);
  openaiError(await get(`/v1/llm/context/${context}`, as(human)), 404);
});

it("a row that was moved to another message can't be decrypted there", async () => {
  const context = await create([user('one'), user('two')]);
  await service.sql(
    `UPDATE llm_context_messages SET content = (SELECT content FROM llm_context_messages WHERE context_id = $1 AND place = 2)
     WHERE context_id = $1 AND place = 1`,
    [context],
  );
  expect((await get(`/v1/llm/context/${context}/message/list`)).status).toBe(500);
});
