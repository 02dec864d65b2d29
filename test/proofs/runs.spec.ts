/**
 * Runs whose process dies or stops: each ends or moves, none is lost, and what was said is kept. Another replica hears it.
 */
import { randomUUID } from 'node:crypto';
import type { Conversations } from '../http/threads/conversations.js';
import { RunWorld } from '../http/threads/run-world.js';
import { streamPieces, usageOf } from '../support/openai-upstream.js';
import { inForm } from '../support/proof-form.js';
import type { ServiceProcess } from '../support/service.js';

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
    'of a process with open runs fails those that had begun, moves the others, and goes on with what waited',
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
      // What it had said by then can still be heard.
      const heard = survivors.events(begun[0]!.runId);
      await heard.whole();
      expect(heard.said).toContain('word5');
      expect(await survivor.sql("SELECT 1 FROM runs WHERE status IN ('WAITING', 'RUNNING', 'ACTION')")).toEqual([]);
    },
    inForm(90_000, 300_000),
  );
});

describe('SIGTERM', () => {
  it('lets runs end that end in time, keeps what the others had said, and loses none that waits', async () => {
    // It ends its lease itself: on a busy machine a short one could run out before.
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
});
