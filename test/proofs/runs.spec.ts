/** Runs whose process dies or stops: each ends or moves, none is lost, and its text is kept. Another replica streams it. */
import { randomUUID } from 'node:crypto';
import type { Conversations } from '../http/threads/conversations.js';
import { RunWorld } from '../http/threads/run-world.js';
import { eventually } from '../support/eventually.js';
import { streamPieces, UPSTREAM_MODEL, usageOf } from '../support/openai-upstream.js';
import { inForm } from '../support/proof-form.js';
import type { ServiceProcess } from '../support/service.js';
import { onDatabase, rowsOf } from '../support/sql.js';

/** Enough room for all streams that a proof opens at once. */
const ROOM = { GATEHOUSE_PROVIDER_CALLS: '1000', GATEHOUSE_TENANT_CALLS: '1000', GATEHOUSE_ORG_CALLS: '1000' } as const;
const WORDS = Array.from({ length: 400 }, (_, index) => ` word${index}`);

let world: RunWorld;
let survivor: ServiceProcess;
let survivors: Conversations;

beforeAll(async () => {
  world = await RunWorld.start();
  survivor = await world.replica();
  survivors = await world.conversations(survivor);
}, 90_000);

afterAll(() => world.stop());
beforeEach(() => world.upstream.reset());

const endingOf = async (conversation: Conversations, runId: string) => (await conversation.events(runId).whole()).data;

describe('kill -9', () => {
  it(
    'of a process with open runs fails those that had begun, moves the others, and starts the waiting ones',
    async () => {
      const RUNS = inForm(3, 50);
      const doomed = await world.replica();
      const there = survivors.on(doomed);
      const words = { words: WORDS, usage: usageOf(1, 400) };
      const begun = await Promise.all(
        Array.from({ length: RUNS }, async (_, index) => {
          world.upstream.next({ kind: 'stream', pieces: streamPieces(words), stallAfter: 10 });
          const conversation = `begun-${index}-${randomUUID()}`;
          await there.get('create-thread', { conversationKey: conversation, settings: { interruptPolicy: 'QUEUE' } });
          const { runId } = await there.send(conversation, 'Count');
          return { conversation, runId };
        }),
      );
      const streams = begun.map(({ runId }) => survivors.events(runId));
      await Promise.all(streams.map((stream) => stream.until('word5')));
      const waiting = await there.send(begun[0]!.conversation, 'Next');
      world.upstream.next({ kind: 'hang' });
      const silent = await there.send('silent', 'Hi');
      await world.upstream.request(RUNS + 1);

      await doomed.process.kill9();
      const endings = await Promise.all(streams.map((stream) => stream.whole()));
      expect(endings.map(({ data }) => data)).toEqual(
        begun.map(({ runId }) => ({
          runId,
          status: 'FAILED',
          error: { code: 'process_died', message: expect.any(String) as string },
        })),
      );
      for (const { runId } of [waiting, silent])
        expect(await endingOf(survivors, runId)).toEqual({ runId, status: 'COMPLETED' });
      // Its text up to then can still be read.
      const heard = survivors.events(begun[0]!.runId);
      await heard.whole();
      expect(heard.said).toContain('word5');
      expect(await survivor.sql("SELECT 1 FROM runs WHERE status IN ('WAITING', 'RUNNING', 'ACTION')")).toEqual([]);
    },
    inForm(90_000, 300_000),
  );
});

it('a message with an Idempotency-Key is accepted once, even if its process dies while it accepts it', async () => {
  const doomed = await world.replica();
  const body = { conversationKey: 'once', userMessage: { content: 'Hi' } };
  const headers = { 'idempotency-key': randomUUID() };
  const { superuserUrl } = world.database;
  const waiting = async (): Promise<number> => {
    const text = `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%begin_runs%'`;
    return (await rowsOf(superuserUrl, text)).length;
  };
  await onDatabase(superuserUrl, async (client) => {
    // The statement stops after it has claimed the key, and before it writes the message.
    await client.query('BEGIN');
    await client.query('LOCK TABLE thread_messages IN SHARE MODE');
    const lost = survivors
      .on(doomed)
      .ask('send-message', body, headers)
      .catch(() => null);
    await eventually(async () => (await waiting()) === 1);
    await doomed.process.kill9();
    expect(await lost).toBeNull();
    const repeat = survivors.ask('send-message', body, headers);
    await eventually(async () => (await waiting()) === 2);
    await client.query('COMMIT');
    expect((await repeat).status).toBe(200);
  });
  const { runId } = (await survivors.ask('send-message', body, headers)).json<{ runId: string }>();
  const { messages } = await survivors.idle('once');
  expect(messages.map(({ role, runId: of }) => [role, of])).toEqual([
    ['user', runId],
    ['assistant', runId],
  ]);
}, 90_000);

describe('SIGTERM', () => {
  it('finishes runs that end in time, keeps the text of the others, and loses no waiting one', async () => {
    // It ends its lease itself: on a busy machine a short one could expire before.
    const stopping = await world.replica({ GATEHOUSE_LEASE_SECONDS: '20' });
    const there = survivors.on(stopping);
    world.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS.slice(0, 30) }), delayMs: 30 });
    const short = await there.send('short', 'Count');
    await world.upstream.request(1);
    world.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), stallAfter: 20 });
    await there.get('create-thread', { conversationKey: 'long', settings: { interruptPolicy: 'QUEUE' } });
    const long = await there.send('long', 'Count');
    const reader = survivors.events(long.runId);
    await reader.until('word5');
    const waiting = await there.send('long', 'Next');
    expect(await stopping.process.stop()).toMatchObject({ code: 0 });
    expect(await endingOf(survivors, short.runId)).toMatchObject({ status: 'COMPLETED' });
    expect((await reader.whole()).data).toMatchObject({ status: 'FAILED', error: { code: 'server_shutting_down' } });
    expect(await endingOf(survivors, waiting.runId)).toMatchObject({ status: 'COMPLETED' });
    const { messages } = await survivors.idle('long');
    expect(messages[1]!.content).toBe(reader.said);
  }, 90_000);

  it('ends a run that waits for its second answer: no other process can begin it', async () => {
    const stopping = await world.replica({ GATEHOUSE_LEASE_SECONDS: '20' });
    const there = survivors.on(stopping);
    const call = { index: 0, id: 'call_a', type: 'function', function: { name: 'weather', arguments: '{}' } };
    const pieces = [
      { choices: [{ index: 0, delta: { tool_calls: [call] }, finish_reason: null }] },
      { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    ];
    world.upstream.next({ kind: 'stream', pieces });
    const { runId } = await there.send('second step', 'Weather?', { tools: [{ name: 'weather' }] });
    const reader = survivors.events(runId);
    await eventually(() => reader.last?.type === 'tool_calls');
    world.upstream.next({ kind: 'hang' });
    await there.get('submit-tool-outputs', { runId, toolOutputs: [{ toolCallId: 'call_a', output: 'Sunny' }] });
    await world.upstream.request(2);
    expect(await stopping.process.stop()).toMatchObject({ code: 0 });
    expect((await reader.whole()).data).toMatchObject({ status: 'FAILED', error: { code: 'server_shutting_down' } });
  }, 90_000);

  it(
    'with many open streams and runs ends each of them: all callers get an end, all is settled, and the text of runs is kept',
    async () => {
      const EACH = inForm(10, 100);
      const unsettled = (more = '') =>
        survivor.sql(`SELECT id FROM usage_records WHERE state <> 'SETTLED' ${more} ORDER BY id`);
      // The calls of dead processes have been swept by now.
      await eventually(async () => (await unsettled("AND state = 'RESERVED'")).length === 0, 30_000);
      const before = await unsettled();
      const stopping = await world.replica({ GATEHOUSE_LEASE_SECONDS: '20', ...ROOM });
      const there = survivors.on(stopping);
      const { key } = await stopping.createKey(world.org, { scopes: ['chat:write'] });
      const stalled = () =>
        world.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), stallAfter: 20 });
      // Every other run ends in time.
      const runs = await Promise.all(
        Array.from({ length: EACH }, async (_, index) => {
          if (index % 2 === 0) stalled();
          else
            world.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS.slice(0, 40) }), delayMs: 20 });
          const { runId } = await there.send(`stopped-${index}`, 'Count');
          return { conversation: `stopped-${index}`, runId, reader: survivors.events(runId) };
        }),
      );
      await world.upstream.request(EACH);
      const streams = Array.from({ length: EACH }, () => {
        stalled();
        return stopping.call('POST', '/v1/chat/completions', {
          headers: { 'x-api-key': key },
          body: { model: UPSTREAM_MODEL, stream: true, messages: [{ role: 'user', content: 'Count' }] },
        });
      });
      await world.upstream.request(2 * EACH);
      await Promise.all(runs.map(({ reader }) => reader.until('word3')));

      expect(await stopping.process.stop()).toMatchObject({ code: 0 });
      for (const { status, text } of await Promise.all(streams))
        expect([status, text]).toEqual([200, expect.stringContaining('server_shutting_down')]);
      const endings = await Promise.all(runs.map(({ reader }) => reader.whole()));
      expect(new Set(endings.map(({ data }) => data.error?.code ?? data.status))).toEqual(
        new Set(['server_shutting_down', 'COMPLETED']),
      );
      for (const { conversation, reader } of runs) {
        const { messages, status } = await survivors.state(conversation);
        expect({ status, said: messages.map(({ content }) => content) }).toEqual({
          status: 'IDLE',
          said: ['Count', reader.said],
        });
      }
      expect(await survivor.sql("SELECT 1 FROM runs WHERE status IN ('WAITING', 'RUNNING', 'ACTION')")).toEqual([]);
      expect(await unsettled()).toEqual(before);
    },
    inForm(90_000, 600_000),
  );
});
