import Fastify from 'fastify';
import { writeLargeAnswersInSteps } from './large-answers.js';

it.each([10, 3_000_000])('writes an answer with a text of %d characters as JSON.stringify does', async (length) => {
  const answer = { text: 'é'.repeat(length), left: undefined, list: [1, null, { a: '"' }] };
  const fastify = Fastify();
  writeLargeAnswersInSteps(fastify);
  fastify.get('/', () => Promise.resolve(answer));
  const { body, headers } = await fastify.inject('/');
  expect(body === JSON.stringify(answer)).toBe(true);
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  expect(headers['content-length']).toBe(String(Buffer.byteLength(body)));
});

it('lets other work run between the steps of a large answer', async () => {
  const fastify = Fastify();
  const order: string[] = [];
  writeLargeAnswersInSteps(fastify);
  fastify.get('/', () => {
    setImmediate(() => order.push('other work'));
    return Promise.resolve({ text: 'é'.repeat(30_000_000) });
  });
  fastify.addHook('onSend', (_request, _reply, payload, done) => {
    order.push('written');
    done(null, payload);
  });
  await fastify.inject('/');
  expect(order).toEqual(['other work', 'written']);
});
