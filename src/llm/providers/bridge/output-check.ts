import { Fault } from '../../../platform/errors/index.js';
import { isObject } from '../requests/chat-request.js';
import type { Dialect } from './dialect.js';

/**
 * Judges the bytes that are about to go out: they ask for no more output than was reserved. Packages add what a model
 * thinks to the limit that they are given, so that only the body itself tells.
 *
 * @throws Fault internal: the bridge set the limit wrongly, and nothing is sent
 */
export function assertOutputWithin(
  body: Buffer | string | null,
  limit: number,
  dialect: Pick<Dialect, 'outputIn'>,
): void {
  const sent: unknown = JSON.parse(body === null ? 'null' : body.toString());
  const output = isObject(sent) ? dialect.outputIn(sent) : null;
  if (output !== null && output <= limit) return;
  throw new Fault('internal', 'An internal error occurred.', {
    cause: new Error(
      `The translated request asks for ${output ?? 'unlimited'} tokens of output, and ${limit} are reserved.`,
    ),
  });
}
