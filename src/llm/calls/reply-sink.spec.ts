import fastify from 'fastify';
import { logger } from '../../platform/logging/index.js';
import type { Attribution } from './call-sink.js';
import { ReplySink } from './reply-sink.js';

const BY: Attribution = { provider: 'p', model: 'm', attempts: 1, awaitedMs: 0, tokenRoom: null };
const UNSENDABLE = { 'x-odd': 'two\nlines' };
const BODY = { type: 't', message: 'm', error: { message: 'm', type: 't', param: null, code: null } };

beforeAll(() => {
  logger.level = 'silent';
});

it.each<[string, (sink: ReplySink) => void]>([
  ['an answer', (sink) => sink.json(UNSENDABLE, Buffer.from('{}'), BY)],
  ["a stream's begin", (sink) => sink.begin(UNSENDABLE, BY)],
  ['a refusal', (sink) => sink.refuse({ status: 99, headers: {}, body: BODY }, BY)],
])(
  '%s that HTTP can’t carry closes the connection, and the call ends as if its caller had left',
  async (_what, tell) => {
    const app = fastify();
    const left = new Promise<void>((resolve) => {
      app.get('/', (_request, reply) => {
        const sink = new ReplySink(reply);
        const settlement = (): never => {
          throw new Error('Nothing is settled here.');
        };
        sink.listen({ onLeft: resolve, onCaughtUp: () => undefined, settlement });
        tell(sink);
        return reply;
      });
    });
    try {
      await expect(fetch(await app.listen({ port: 0, host: '127.0.0.1' }))).rejects.toThrow('fetch failed');
      await left;
    } finally {
      await app.close();
    }
  },
);
