/** Threads as things: made, listed, changed, deleted, and whose they are. */
import { randomUUID } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import type { MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { dump } from '../../support/sql.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';
import { Conversations } from './conversations.js';

let service: SharedService;
let org: Org;
let key: MadeKey;
let tenant: Conversations;
let ann: Conversations;

beforeAll(async () => {
  service = await sharedService();
});
afterAll(() => service.stop());

// A run that ends during the next test would write rows there.
afterEach(() =>
  eventually(async () => expect(await service.sql("SELECT id FROM runs WHERE status = 'RUNNING'")).toEqual([])),
);

beforeEach(async () => {
  org = await service.createOrg();
  key = await service.createKey(org, {
    scopes: ['conversations:read', 'conversations:write', 'users:impersonate', 'humans:write'],
  });
  tenant = new Conversations(service, { 'x-api-key': key.key });
  ann = new Conversations(service, { 'x-api-key': key.key, 'x-on-behalf-of': 'ann' });
});

const ROUTES: readonly [string, object][] = [
  ['conversation-state', {}],
  ['update-thread', { name: 'x' }],
  ['delete-thread', {}],
];

it('is made with a name, listed newest first by pages, found by a part of its name, and updated by the named fields', async () => {
  const made = await tenant.get<object>('create-thread', { name: 'Trip to Rome', conversation_key: 'trip' });
  expect(made).toEqual({
    conversationKey: 'trip',
    name: 'Trip to Rome',
    createdAt: expect.stringMatching(/Z$/) as string,
  });
  for (const conversationKey of ['second', 'third']) await tenant.get('create-thread', { conversationKey });
  const first = await tenant.get<{ threads: { conversationKey: string }[]; nextPageToken: string }>('list-threads', {
    pageSize: 2,
  });
  expect(first.threads.map(({ conversationKey }) => conversationKey)).toEqual(['third', 'second']);
  const second = await tenant.get<{ threads: object[] }>('list-threads', {
    pageSize: 2,
    pageToken: first.nextPageToken,
  });
  expect(second).toMatchObject({ threads: [{ conversationKey: 'trip', name: 'Trip to Rome' }], nextPageToken: '' });
  expect(await tenant.get('list-threads', { search: 'ROME' })).toMatchObject({
    threads: [{ conversationKey: 'trip' }],
  });
  platformError(await ann.ask('list-threads', { pageSize: 2, pageToken: first.nextPageToken }), 400);

  const config = { model: 'gpt-4o-mini', temperature: 0.5, maxTokens: 200 };
  const settings = { systemPrompt: 'Be short.', interruptPolicy: 'QUEUE' };
  const tools = [{ name: 'look_up', description: 'Looks up.', parameters: { type: 'object', properties: { q: {} } } }];
  await tenant.get('update-thread', { conversationKey: 'trip', generationConfig: config, settings, tools });
  const renamed = await tenant.get<object>('update-thread', { conversation_key: 'trip', name: 'Rome' });
  expect(renamed).toMatchObject({ name: 'Rome', generationConfig: config, settings, tools });
  expect(await tenant.state('trip')).toMatchObject({
    name: 'Rome',
    status: 'IDLE',
    messages: [],
    messagesLeftOut: 0,
    generationConfig: config,
    settings,
    tools,
  });
  // There is no default: unset members are left out.
  await tenant.get('update-thread', { conversationKey: 'trip', generationConfig: {}, settings: {} });
  expect(await tenant.state('trip')).toMatchObject({
    generationConfig: {},
    settings: { systemPrompt: '', interruptPolicy: 'REJECT' },
    tools,
  });
});

it('has a key that is unique for its owner, and that another owner may use too', async () => {
  for (const caller of [tenant, ann]) await caller.get('create-thread', { conversationKey: 'same' });
  await expectPlatformRefusal(service, () => tenant.ask('create-thread', { conversationKey: 'same' }), 409);
  expect(await ann.get('list-threads')).toMatchObject({ threads: [{ conversationKey: 'same' }] });
});

it('is made once by a request that is sent twice, and the repeat gets the same answer', async () => {
  const once = () =>
    tenant.ask('create-thread', { conversationKey: 'once', name: 'Once' }, { 'idempotency-key': `k-${randomUUID()}` });
  const headers = { 'idempotency-key': `k-${randomUUID()}` };
  const body = { conversationKey: 'again', name: 'Again' };
  const [first, repeat] = [
    await tenant.ask('create-thread', body, headers),
    await tenant.ask('create-thread', body, headers),
  ];
  expect(first.status).toBe(200);
  expect(repeat.json()).toMatchObject(first.json());
  expect(repeat.headers['x-gatehouse-idempotent-replay']).toBe('true');
  expect((await once()).status).toBe(200);
  platformError(await once(), 409);
});

it('accepts a message once for its Idempotency-Key; a refused one may be sent again', async () => {
  const send = (content: string, key: string, caller = tenant) => {
    const body = { conversationKey: 'sent', userMessage: { content } };
    return caller.ask('send-message', body, { 'idempotency-key': key });
  };
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 10 }, () => send('Hi', key)));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(new Set(answers.map((answer) => answer.json<{ runId: string }>().runId)).size).toBe(1);
  expect(answers.filter(({ headers }) => headers['x-gatehouse-idempotent-replay'] === 'true')).toHaveLength(9);
  expect((await tenant.idle('sent')).messages).toHaveLength(2);
  const other = platformError(await send('Something else', key), 409);
  expect(fieldsOf(other)).toEqual(['idempotency-key']);
  // The same key from another caller is another key.
  expect((await send('Hi', key, ann)).headers['x-gatehouse-idempotent-replay']).toBeUndefined();
  await ann.idle('sent');

  service.upstream.next({ kind: 'hang' });
  const { runId } = await tenant.send('sent', 'Wait');
  const refused = randomUUID();
  platformError(await send('Two', refused), 409);
  await tenant.get('cancel-run', { runId });
  await tenant.idle('sent');
  const again = await send('Two', refused);
  expect([again.status, again.headers['x-gatehouse-idempotent-replay']]).toEqual([200, undefined]);
  expect((await tenant.idle('sent')).messages.filter(({ content }) => content === 'Two')).toHaveLength(1);
});

it('of another human or tenant, or without an owner, is answered as missing, in the same words', async () => {
  await ann.get('create-thread', { conversationKey: 'private' });
  const bob = new Conversations(service, { 'x-api-key': key.key, 'x-on-behalf-of': 'bob' });
  const elsewhere = await service.createOrg();
  const other = new Conversations(service, { 'x-api-key': (await service.createKey(elsewhere)).key });
  const owner = new Conversations(service, {
    authorization: `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId })}`,
  });
  for (const caller of [tenant, bob, other, owner]) {
    for (const [method, more] of ROUTES) {
      const theirs = platformError(await caller.ask(method, { conversationKey: 'private', ...more }), 404);
      const missing = platformError(await caller.ask(method, { conversationKey: 'missing', ...more }), 404);
      expect({ ...theirs, requestId: '' }).toEqual({ ...missing, requestId: '' });
    }
    expect(await caller.get('list-threads')).toEqual({ threads: [], nextPageToken: '' });
  }
  expect((await ann.state('private')).conversationKey).toBe('private');
});

it('is read whole by pages, the newest messages first, each page in chronological order', async () => {
  for (const word of ['one', 'two', 'three']) {
    await tenant.send('long', word);
    await tenant.idle('long');
  }
  const whole = await tenant.state('long');
  expect(whole).toMatchObject({ nextPageToken: '' });
  expect(whole.messages).toHaveLength(6);
  const pages: (typeof whole)[] = [];
  for (let pageToken = ''; pages.length === 0 || pageToken !== ''; pageToken = pages.at(-1)!.nextPageToken)
    pages.push(await tenant.state('long', { pageSize: 4, pageToken }));
  expect(pages.map(({ messages }) => messages)).toEqual([whole.messages.slice(2), whole.messages.slice(0, 2)]);
  // New messages do not move older ones.
  const { nextPageToken: pageToken } = await tenant.state('long', { pageSize: 3 });
  await tenant.send('long', 'four');
  await tenant.idle('long');
  expect((await tenant.state('long', { pageToken })).messages).toEqual(whole.messages.slice(0, 3));
  // The page token of another thread, or of another owner.
  await tenant.send('other', 'x');
  await ann.send('long', 'x');
  for (const [caller, conversationKey] of [
    [tenant, 'other'],
    [ann, 'long'],
  ] as const) {
    const refusal = platformError(await caller.ask('conversation-state', { conversationKey, pageToken }), 400);
    expect(fieldsOf(refusal)).toEqual(['pageToken']);
  }
});

it('is read in pages of few long messages, since hundreds of them would fill the memory', async () => {
  // Three bytes for each character: five messages fit into 4 MiB, and their answers.
  const words = Array.from({ length: 6 }, (_, index) => `${index}${'€'.repeat(262_000)}`);
  for (const word of words) {
    await tenant.send('huge', word);
    await tenant.idle('huge');
  }
  const pages: (readonly string[])[] = [];
  for (let pageToken = ''; pages.length === 0 || pageToken !== '';) {
    const state = await tenant.state('huge', { pageToken });
    pages.push(state.messages.flatMap(({ role, content }) => (role === 'user' ? [content] : [])));
    pageToken = state.nextPageToken;
  }
  expect(pages.map(({ length }) => length)).toEqual([5, 1]);
  expect(pages.reverse().flat()).toEqual(words);
});

it.each<[string, string, object, string]>([
  ['no key', 'create-thread', { name: 'x' }, 'conversationKey'],
  ['a key too long', 'create-thread', { conversationKey: 'x'.repeat(257) }, 'conversationKey'],
  ['U+0000 in a name', 'create-thread', { conversationKey: 'x', name: 'a\0' }, 'name'],
  [
    'an unknown policy',
    'create-thread',
    { conversationKey: 'x', settings: { interruptPolicy: 'WAIT' } },
    'settings.interruptPolicy',
  ],
  [
    'a temperature too high',
    'create-thread',
    { conversationKey: 'x', generationConfig: { temperature: 3 } },
    'generationConfig.temperature',
  ],
  ['a tool without a name', 'create-thread', { conversationKey: 'x', tools: [{}] }, 'tools.0.name'],
  ['a tool twice', 'create-thread', { conversationKey: 'x', tools: [{ name: 'a' }, { name: 'a' }] }, 'tools'],
  ['an unknown field', 'update-thread', { conversationKey: 'x', model: 'm' }, 'model'],
  ['no message', 'send-message', { conversationKey: 'x' }, 'userMessage'],
  ['an empty message', 'send-message', { conversationKey: 'x', userMessage: { content: '' } }, 'userMessage.content'],
  [
    'another role',
    'send-message',
    { conversationKey: 'x', userMessage: { role: 'system', content: 'x' } },
    'userMessage.role',
  ],
  ['a page too large', 'conversation-state', { conversationKey: 'x', pageSize: 501 }, 'pageSize'],
  ['no run', 'run-events', {}, 'runId'],
  ['no outputs', 'submit-tool-outputs', { runId: 'x', toolOutputs: [] }, 'toolOutputs'],
])('%s is 400, named, and writes nothing', async (_what, method, body, field) => {
  const error = await expectPlatformRefusal(service, () => tenant.ask(method, body), 400);
  expect(fieldsOf(error)).toEqual([field]);
});

it('needs conversations:write to change, and conversations:read to read', async () => {
  const reader = new Conversations(service, {
    'x-api-key': (await service.createKey(org, { scopes: ['conversations:read'] })).key,
  });
  const writer = new Conversations(service, {
    'x-api-key': (await service.createKey(org, { scopes: ['conversations:write'] })).key,
  });
  await writer.get('create-thread', { conversationKey: 'shared' });
  expect((await reader.state('shared')).name).toBe('');
  await expectPlatformRefusal(service, () => reader.ask('delete-thread', { conversationKey: 'shared' }), 403);
  await expectPlatformRefusal(service, () => writer.ask('conversation-state', { conversationKey: 'shared' }), 403);
  const nobody = new Conversations(service, {});
  await expectPlatformRefusal(service, () => nobody.ask('list-threads'), 401);
});

it('is deleted with its human or by itself, with all its text', async () => {
  const human = `ann-${randomUUID()}`;
  const canary = `secret-${randomUUID()}`;
  const own = new Conversations(service, { 'x-api-key': key.key, 'x-on-behalf-of': human });
  await own.send('of-human', canary);
  await tenant.send('of-tenant', canary);
  await own.idle('of-human');
  await tenant.idle('of-tenant');
  const rows = () =>
    service.sql(
      `SELECT 1 FROM threads WHERE tenant_id = $1 UNION ALL SELECT 1 FROM runs WHERE tenant_id = $1
       UNION ALL SELECT 1 FROM thread_messages WHERE tenant_id = $1`,
      [org.tenantId],
    );
  // A thread, a run, two messages; and no text in the clear.
  expect(await rows()).toHaveLength(8);
  expect(await dump(service.database.superuserUrl)).not.toContain(canary);
  await service.call('POST', '/api/v1/humans/delete', { headers: { 'x-api-key': key.key }, body: { human } });
  expect(await rows()).toHaveLength(4);
  await tenant.get('delete-thread', { conversationKey: 'of-tenant' });
  expect(await rows()).toEqual([]);
  platformError(await own.ask('conversation-state', { conversationKey: 'of-human' }), 404);
});

it('is kept for as many days as the tenant sets', async () => {
  const asOwner = { user: org.user, tenant: org.tenantId };
  const days = (threadRetentionDays: number) =>
    service.asUser<{ tenant: object }>(asOwner, 'tenants/update', { tenantId: org.tenantId, threadRetentionDays });
  expect((await days(30)).tenant).toMatchObject({ threadRetentionDays: 30 });
  for (const conversationKey of ['old', 'mixed', 'new']) {
    await tenant.send(conversationKey, 'one');
    await tenant.idle(conversationKey);
  }
  await tenant.send('mixed', 'two');
  await tenant.idle('mixed');
  await service.sql(
    "UPDATE threads SET updated_at = now() - interval '31 days' WHERE tenant_id = $1 AND conversation_key = 'old'",
    [org.tenantId],
  );
  await service.sql(
    `UPDATE runs r SET ended_at = now() - interval '31 days' FROM threads t
     WHERE t.id = r.thread_id AND t.tenant_id = $1 AND t.conversation_key = 'mixed' AND r.run_no = 1`,
    [org.tenantId],
  );
  await service.sql('SELECT prune_threads(1000)');
  expect(await tenant.get('list-threads')).toMatchObject({
    threads: [{ conversationKey: 'new' }, { conversationKey: 'mixed' }],
  });
  expect((await tenant.state('mixed')).messages.map(({ content }) => content)).toEqual([
    'two',
    'Hello from the upstream.',
  ]);
  expect((await tenant.state('new')).messages).toHaveLength(2);
  expect((await days(0)).tenant).not.toHaveProperty('threadRetentionDays');
});
