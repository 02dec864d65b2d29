/** Runs on several replicas: read, cancelled and continued on another one. */
import { randomUUID } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { streamPieces } from '../../support/openai-upstream.js';
import type { ServiceProcess } from '../../support/service.js';
import { dump, onDatabase } from '../../support/sql.js';
import { WebhookReceiver } from '../../support/webhook-receiver.js';
import { ask, QUICK_ENVIRONMENT } from '../webhooks/webhooks.js';
import type { Conversations } from './conversations.js';
import { RunWorld } from './run-world.js';

const WORDS = Array.from({ length: 400 }, (_, index) => ` word${index}`);

let world: RunWorld;
let receiver: WebhookReceiver;
let survivor: ServiceProcess;
let survivors: Conversations;

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  world = await RunWorld.start({ ...QUICK_ENVIRONMENT, ...receiver.environment });
  survivor = await world.replica();
  survivors = await world.conversations(survivor);
}, 90_000);

afterAll(async () => {
  await world.stop();
  await receiver.stop();
});

beforeEach(() => world.upstream.reset());

const endingOf = async (conversation: Conversations, runId: string) => (await conversation.events(runId).whole()).data;

/** Statements that write pieces of runs, and wait for a lock. */
const waitingWrites = (): Promise<readonly object[]> =>
  survivor.sql(
    `SELECT pid, query_start::text FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%write_run_deltas%'`,
  );

describe('of two replicas', () => {
  let other: ServiceProcess;
  let others: Conversations;

  beforeAll(async () => {
    other = await world.replica();
    others = survivors.on(other);
  }, 90_000);

  it('each streams what the other one’s run says, while it is said, from any event on', async () => {
    let goOn = (): void => undefined;
    const heard = new Promise<void>((resolve) => (goOn = resolve));
    const pieces = streamPieces({ words: WORDS.slice(0, 150) });
    const [held, ...rest] = pieces.splice(30);
    // The next piece waits until the other replica has passed on the first.
    const next = heard.then(() => held);
    world.upstream.next({ kind: 'stream', pieces: [...pieces, next, ...rest], delayMs: 5 });
    const { runId } = await survivors.send('heard', 'Count');
    const far = others.events(runId);
    await far.until('word5');
    expect(far.ended).toBe(false);
    const later = others.events(runId, far.last!.id);
    const before = far.said;
    goOn();
    expect((await far.whole()).data).toEqual({ runId, status: 'COMPLETED' });
    await later.whole();
    expect(far.said).toBe(WORDS.slice(0, 150).join(''));
    expect(before + later.said).toContain('word149');
    expect(far.said.endsWith(later.said)).toBe(true);
    // The pieces are deleted once the whole answer is stored.
    expect(await survivor.sql('SELECT 1 FROM run_deltas')).toEqual([]);
  });

  it('each can cancel a run on the other one', async () => {
    world.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), delayMs: 20 });
    const { runId } = await survivors.send('ended', 'Count');
    const near = survivors.events(runId);
    await near.until('word5');
    expect(await others.get('cancel-run', { runId })).toMatchObject({ runId });
    expect((await near.whole()).data.status).toBe('CANCELLED');
    await world.upstream.abort();
    expect(await endingOf(others, runId)).toMatchObject({ status: 'CANCELLED' });
  });

  it("each can cancel a run on the other one, even while that one waits to write another run's pieces", async () => {
    world.upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), delayMs: 20 }).next({ kind: 'hang' });
    await survivors.events((await survivors.send('talks', 'Count')).runId).until('word5');
    const { runId } = await survivors.send('held up', 'Count');
    await world.upstream.request(2);
    await onDatabase(world.database.superuserUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('LOCK TABLE run_deltas IN SHARE MODE');
      await eventually(async () => expect(await waitingWrites()).toHaveLength(1));
      const writes = await waitingWrites();
      await others.get('cancel-run', { runId });
      await world.upstream.abort(2);
      expect(await waitingWrites()).toEqual(writes);
      await client.query('ROLLBACK');
    });
    expect(await endingOf(others, runId)).toMatchObject({ status: 'CANCELLED' });
  });

  it('each can submit the outputs of tools, and a reader of the other one gets the rest', async () => {
    const call = { index: 0, id: 'call_a', type: 'function', function: { name: 'weather', arguments: '{}' } };
    const pieces = [
      { choices: [{ index: 0, delta: { tool_calls: [call] }, finish_reason: null }] },
      { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    ];
    world.upstream.next({ kind: 'stream', pieces });
    const { runId } = await survivors.send('tools', 'Weather?', { tools: [{ name: 'weather' }] });
    const near = survivors.events(runId);
    await eventually(() => near.last?.type === 'tool_calls');
    await others.get('submit-tool-outputs', { runId, toolOutputs: [{ toolCallId: 'call_a', output: 'Sunny' }] });
    expect((await near.whole()).data.status).toBe('COMPLETED');
    expect(near.said).toBe('Hello from the upstream.');
  });

  it('no replica waits for a reader who reads nothing', async () => {
    const words = Array.from({ length: 40 }, () => 'x'.repeat(20_000));
    world.upstream.next({ kind: 'stream', pieces: streamPieces({ words }) });
    const { runId } = await survivors.send('slow', 'Much');
    const slow = others.events(runId);
    await survivors.idle('slow');
    expect((await slow.whole()).data.status).toBe('COMPLETED');
    expect(slow.said).toHaveLength(800_000);
  });
});

it('webhooks report runs that completed and that failed, by ids and without their text', async () => {
  const made = await ask(survivor, world.org, 'create', {
    url: receiver.url('/runs'),
    events: ['run.completed', 'run.failed'],
  });
  expect(made.status).toBe(200);
  const good = await survivors.send('told', 'Hi');
  await survivors.idle('told');
  world.upstream.next({ kind: 'cut' }).next({ kind: 'cut' });
  const bad = await survivors.send('told', 'Hi');
  await survivors.idle('told');
  await eventually(() => receiver.received.length >= 2);
  const told = Object.fromEntries(receiver.received.map(({ type, payload }) => [type, payload]));
  expect(told['run.completed']).toMatchObject({ run_id: good.runId, status: 'COMPLETED', project: world.org.tenantId });
  expect(told['run.failed']).toMatchObject({
    run_id: bad.runId,
    status: 'FAILED',
    error_code: expect.any(String) as string,
  });
  expect(JSON.stringify(told)).not.toContain('told"');
});

it('messages and answers are in no table or log in the clear', async () => {
  const [question, answer, prompt] = ['question', 'answer', 'prompt'].map((name) => `${name}-${randomUUID()}`) as [
    string,
    string,
    string,
  ];
  await survivors.get('create-thread', { conversationKey: 'canary', settings: { systemPrompt: prompt } });
  world.upstream.next({ kind: 'stream', pieces: streamPieces({ words: [answer, ' more', ' words'] }), delayMs: 200 });
  const { runId } = await survivors.send('canary', question);
  await survivors.events(runId).until(answer);
  // Also while its pieces are stored.
  await eventually(async () => (await survivor.sql('SELECT 1 FROM run_deltas')).length > 0);
  const during = await dump(world.database.superuserUrl);
  await survivors.idle('canary');
  const said = (await survivors.state('canary')).messages.map(({ content }) => content);
  expect(said).toEqual([question, `${answer} more words`]);
  const places = [
    during,
    await dump(world.database.superuserUrl),
    ...world.started.map(({ process }) => process.stdout + process.stderr),
  ];
  for (const canary of [question, answer, prompt, Buffer.from(question).toString('hex')])
    expect(places.filter((place) => place.includes(canary))).toEqual([]);
});
