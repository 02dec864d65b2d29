/** Messages and the runs that answer them. */
import { randomUUID } from 'node:crypto';
import { streamPieces, UPSTREAM_MODEL, usageOf } from '../../support/openai-upstream.js';
import type { MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { fieldsOf, platformError } from '../refusals.js';
import { Conversations, type RunView } from './conversations.js';

const HELLO = 'Hello from the upstream.';

let service: SharedService;
let org: Org;
let key: MadeKey;
let tenant: Conversations;

beforeAll(async () => {
  service = await sharedService();
});
afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  org = await service.createOrg();
  key = await service.createKey(org, {
    scopes: ['conversations:read', 'conversations:write', 'users:impersonate', 'usage:read', 'usage:write'],
  });
  tenant = new Conversations(service, { 'x-api-key': key.key });
});

const asked = (place = -1): { messages: { role: string; content: string | null }[] } & Record<string, unknown> =>
  JSON.parse(service.upstream.requests.at(place)!.body.toString()) as never;

it('is accepted at once, makes the thread, and its answer is in the conversation and in its events', async () => {
  const run = await tenant.send('new', 'Hi');
  expect(run).toEqual({ runId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string, status: 'RUNNING' });
  const stream = tenant.events(run.runId);
  expect(await stream.whole()).toEqual({ type: 'end', id: 'end', data: { runId: run.runId, status: 'COMPLETED' } });
  expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(stream.said).toBe(HELLO);
  const state = await tenant.idle('new');
  expect(state.messages).toEqual([
    expect.objectContaining({ role: 'user', content: 'Hi', runId: run.runId }),
    expect.objectContaining({ role: 'assistant', content: HELLO, runId: run.runId }),
  ]);
  expect(state).not.toHaveProperty('activeRunId');
  expect(asked()).toMatchObject({ model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }], stream: true });
  // After the end its text comes in one piece.
  const after = tenant.events(run.runId);
  await after.whole();
  expect(after.events.map(({ type }) => type)).toEqual(['delta', 'end']);
  expect(after.said).toBe(HELLO);
});

it('continues the conversation, with the settings of its thread', async () => {
  await tenant.get('create-thread', {
    conversationKey: 'set',
    generationConfig: { model: UPSTREAM_MODEL, temperature: 0.25, maxTokens: 77 },
    settings: { systemPrompt: 'Be brief.' },
  });
  await tenant.send('set', 'One');
  await tenant.idle('set');
  await tenant.send('set', 'Two');
  await tenant.idle('set');
  expect(asked()).toMatchObject({
    temperature: 0.25,
    max_completion_tokens: 77,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'One' },
      { role: 'assistant', content: HELLO },
      { role: 'user', content: 'Two' },
    ],
  });
});

it('is charged to its caller: the key, and the human, however the human is named', async () => {
  const ways: Record<string, string>[] = [{ 'x-human-id': 'ann' }, { 'x-on-behalf-of': 'bea' }];
  for (const headers of ways) {
    const caller = new Conversations(service, { 'x-api-key': key.key, ...headers });
    await caller.send('charged', 'Hi');
    await caller.idle('charged');
  }
  const rows = await service.sql<{ human: string; key_id: string; outcome: string }>(
    `SELECT h.human, u.key_id, u.outcome FROM usage_records u JOIN humans h ON h.id = u.human_id
     WHERE u.tenant_id = $1 ORDER BY u.id`,
    [org.tenantId],
  );
  expect(rows).toEqual(['ann', 'bea'].map((human) => ({ human, key_id: key.keyId, outcome: 'OK' })));
});

it('fails with a code where the provider or a limit refuses, and the thread accepts the next message', async () => {
  service.upstream.next({
    kind: 'body',
    status: 401,
    body: { error: { message: 'No.', type: 'auth', code: 'no_way', param: null } },
  });
  const refused = await tenant.events((await tenant.send('bad', 'Hi')).runId).whole();
  expect(refused.data).toMatchObject({ status: 'FAILED', error: { code: expect.any(String) as string } });
  await service.call('PUT', '/v1/usage/token', {
    headers: { 'x-api-key': key.key },
    body: { human: 'poor', limits: [{ type: 'request_cnt', value: 0 }] },
  });
  const poor = new Conversations(service, { 'x-api-key': key.key, 'x-on-behalf-of': 'poor' });
  const limited = await poor.events((await poor.send('bad', 'Hi')).runId).whole();
  expect(limited.data).toMatchObject({ status: 'FAILED', error: { code: 'usage_limit_exceeded' } });
  await tenant.idle('bad');
  expect((await tenant.events((await tenant.send('bad', 'Again')).runId).whole()).data.status).toBe('COMPLETED');
});

it('is refused where the tenant has no provider, and for a model that it does not have', async () => {
  const bare = await service.seedOrg();
  const bareKey = await service.createKey(bare, { scopes: ['conversations:write'] });
  const caller = new Conversations(service, { 'x-api-key': bareKey.key });
  const body = { conversationKey: 'x', userMessage: { content: 'Hi' } };
  expect(platformError(await caller.ask('send-message', body), 400).message).toMatch(/provider/);
});

it('keeps its text when it breaks off, and its events have all of it', async () => {
  const words = ['One', ' two', ' three'];
  service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }), breakAfter: 4, done: false });
  const run = await tenant.send('broken', 'Count');
  const stream = tenant.events(run.runId);
  expect((await stream.whole()).data.status).toBe('FAILED');
  expect(stream.said).toBe('One two three');
  expect((await tenant.idle('broken')).messages.at(-1)).toMatchObject({ role: 'assistant', content: 'One two three' });
});

it("fails where the provider's own error ends its stream", async () => {
  const pieces = [...streamPieces({ words: ['One'] }).slice(0, 2), { error: { message: 'overloaded' } }];
  service.upstream.next({ kind: 'stream', pieces });
  const stream = tenant.events((await tenant.send('ended', 'Count')).runId);
  expect((await stream.whole()).data).toMatchObject({ status: 'FAILED', error: { code: 'upstream_error' } });
  expect(stream.said).toBe('One');
});

it('resumes for a reader after any event that the reader had last, character for character', async () => {
  const words = ['Grüße', ' 👩‍👩‍👧', ' naïve', ' 日本語'];
  const text = words.join('');
  service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }) });
  const { runId } = await tenant.send('cut', 'Hi');
  await tenant.idle('cut');
  for (let at = 0; at <= text.length; at += 1) {
    const stream = tenant.events(runId, `0.${at}`);
    await stream.whole();
    expect(stream.said).toBe(text.slice(at));
  }
  const over = tenant.events(runId, 'end');
  await over.whole();
  expect(over.events.map(({ type }) => type)).toEqual(['end']);
  expect(fieldsOf(platformError(await tenant.ask('run-events', { runId }, { 'last-event-id': '0.x' }), 400))).toEqual([
    'last-event-id',
  ]);
});

it('is cancelled on request: the provider stops, and the text so far is kept', async () => {
  const words = Array.from({ length: 500 }, (_, index) => ` word${index}`);
  service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }), delayMs: 20 });
  const { runId } = await tenant.send('stop', 'Count');
  const stream = tenant.events(runId);
  await stream.until('word3');
  expect(await tenant.state('stop')).toMatchObject({ status: 'RUNNING', activeRunId: runId });
  await tenant.get('cancel-run', { run_id: runId });
  expect((await stream.whole()).data.status).toBe('CANCELLED');
  await service.upstream.abort();
  const [, answer] = (await tenant.idle('stop')).messages;
  expect(answer!.content).toBe(stream.said);
  // A second cancellation changes nothing.
  expect(await tenant.get('cancel-run', { runId })).toEqual({ runId, status: 'CANCELLED' });
  const rows = await service.sql('SELECT outcome FROM usage_records WHERE tenant_id = $1', [org.tenantId]);
  expect(rows).toEqual([{ outcome: 'CLIENT_ABORTED' }]);
});

it('of another human or tenant, or without an owner, is answered as missing, in the same words', async () => {
  const ann = new Conversations(service, { 'x-api-key': key.key, 'x-on-behalf-of': 'ann' });
  const { runId } = await ann.send('private', 'Hi');
  await ann.idle('private');
  const other = new Conversations(service, { 'x-api-key': (await service.createKey(await service.createOrg())).key });
  const outputs = { toolOutputs: [{ toolCallId: 'x', output: 'y' }] };
  for (const caller of [tenant, other]) {
    for (const [method, more] of [
      ['cancel-run', {}],
      ['run-events', {}],
      ['submit-tool-outputs', outputs],
    ] as const) {
      const theirs = platformError(await caller.ask(method, { runId, ...more }), 404);
      for (const missing of [randomUUID(), 'nothing']) {
        const told = platformError(await caller.ask(method, { runId: missing, ...more }), 404);
        expect({ ...theirs, requestId: '' }).toEqual({ ...told, requestId: '' });
      }
    }
  }
  platformError(await ann.ask('submit-tool-outputs', { runId, ...outputs }), 409);
});

describe('a second message during a run', () => {
  const PARALLEL = 50;

  async function parallel(policy: string): Promise<{ taken: RunView[]; refused: number }> {
    await tenant.get('create-thread', { conversationKey: policy, settings: { interruptPolicy: policy } });
    service.upstream.otherwise = () => ({ kind: 'stream', pieces: streamPieces({ usage: usageOf(1, 5) }), delayMs: 2 });
    const answers = await Promise.all(
      Array.from({ length: PARALLEL }, (_, index) =>
        tenant.ask('send-message', { conversationKey: policy, userMessage: { content: `Message ${index}` } }),
      ),
    );
    const taken = answers.filter(({ status }) => status === 200).map((answer) => answer.json<RunView>());
    const refused = answers.filter(({ status }) => status === 409).length;
    expect(taken.length + refused).toBe(PARALLEL);
    return { taken, refused };
  }

  const statusesOf = (policy: string) =>
    service.sql<{ status: string; count: number }>(
      `SELECT r.status, count(*)::int FROM runs r JOIN threads t ON t.id = r.thread_id
       WHERE t.tenant_id = $1 AND t.conversation_key = $2 GROUP BY 1 ORDER BY 1`,
      [org.tenantId, policy],
    );

  it('is refused by REJECT: of 50 at once the thread runs one at a time, and each accepted one is answered', async () => {
    const { taken } = await parallel('REJECT');
    const state = await tenant.idle('REJECT');
    expect(state.messages.map(({ role }) => role)).toEqual(taken.flatMap(() => ['user', 'assistant']));
    expect(await statusesOf('REJECT')).toEqual([{ status: 'COMPLETED', count: taken.length }]);
  });

  it('waits by QUEUE: all of 50 are answered in their order, and never two at once', async () => {
    const { taken, refused } = await parallel('QUEUE');
    expect([taken.length, refused]).toEqual([PARALLEL, 0]);
    const state = await tenant.idle('QUEUE');
    expect(state.messages).toHaveLength(2 * PARALLEL);
    expect(state.messages.map(({ role }) => role)).toEqual(taken.flatMap(() => ['user', 'assistant']));
    expect(await statusesOf('QUEUE')).toEqual([{ status: 'COMPLETED', count: PARALLEL }]);
    // Each had all earlier messages, but no message that waited behind it.
    const lengths = service.upstream.requests.map(
      ({ body }) => (JSON.parse(body.toString()) as { messages: [] }).messages.length,
    );
    expect(lengths).toEqual(Array.from({ length: PARALLEL }, (_, index) => 2 * index + 1));
  });

  it('cancels by INTERRUPT: the newest of 50 is answered', async () => {
    const { taken, refused } = await parallel('INTERRUPT');
    expect([taken.length, refused]).toEqual([PARALLEL, 0]);
    const state = await tenant.idle('INTERRUPT');
    const newest = state.messages.at(-1)!;
    expect(newest).toMatchObject({ role: 'assistant', content: HELLO });
    const rows = await service.sql<{ id: string }>(
      `SELECT r.id FROM runs r JOIN threads t ON t.id = r.thread_id
       WHERE t.tenant_id = $1 AND t.conversation_key = 'INTERRUPT' ORDER BY r.run_no DESC LIMIT 1`,
      [org.tenantId],
    );
    expect(newest.runId).toBe(rows[0]!.id);
  });
});

it('drops the oldest messages that do not fit the model, and the state says how many', async () => {
  // gpt-4o-mini holds 128,000 tokens; each message has about 30,000.
  const long = (name: string): string => `${name} ${'lorem ipsum dolor '.repeat(7500)}`;
  await tenant.get('create-thread', { conversationKey: 'long', settings: { systemPrompt: 'Stay.' } });
  for (const name of ['first', 'second', 'third', 'fourth', 'fifth', 'sixth']) {
    await tenant.send('long', long(name));
    await tenant.idle('long');
  }
  const { messages } = asked();
  expect(messages[0]).toEqual({ role: 'system', content: 'Stay.' });
  expect(messages.at(-1)!.content).toContain('sixth');
  expect(messages[1]!.role).toBe('user');
  const state = await tenant.state('long');
  expect(state.messagesLeftOut).toBeGreaterThan(0);
  expect(messages.length - 1 + state.messagesLeftOut).toBe(11);
});
