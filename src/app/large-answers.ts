import type { FastifyInstance } from 'fastify';
import { currentRequestContext } from '../platform/context/index.js';
import { GatheredBytes, inTurns, READING_TURNS } from '../platform/http/index.js';
import { isLongerThan, STEP_LENGTH, writeSteps } from '../platform/json/index.js';

/** Writes the JSON of large answers in steps: eight of them at once would hold up a probe for a quarter of a second. */
export function writeLargeAnswersInSteps(fastify: FastifyInstance): void {
  fastify.addHook('preSerialization', async (_request, reply, payload) => {
    if (!isLongerThan(payload, STEP_LENGTH)) return payload;
    const bytes = new GatheredBytes(0, Infinity);
    const owner = currentRequestContext()?.tenantId ?? fastify;
    await inTurns(
      writeSteps(payload, (piece) => bytes.add(piece)),
      () => READING_TURNS.next(owner),
    );
    // Fastify sends bytes too, as its types do not say.
    reply.serializer(() => bytes.all() as unknown as string);
    return payload;
  });
}
