import { isObject } from '../requests/chat-request.js';
import { saysAnything } from './produced-text.js';
import { endOfFirstEvent, isNamedError, parseEvent } from './sse-usage-filter.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Events in which the provider's own error stands, in the form that every client takes for one: `{"error":{…}}` alone. Beside
 * choices the AI SDK reads past it, and its user would have an empty answer, or a piece of one, for a whole one.
 *
 * @returns null: there is no error in them
 */
export function withErrorsTold(events: Buffer): Buffer | null {
  const told: Buffer[] = [];
  let holdsError = false;
  for (let start = 0; start < events.length;) {
    const end = endOfFirstEvent(events, start);
    const event = events.subarray(start, end === -1 ? events.length : end);
    start += event.length;
    const chunk = event.includes('"error"') ? parseEvent(event) : null;
    const error = chunk === null ? null : errorOfChunk(chunk);
    holdsError ||= error !== null || isNamedError(event);
    if (chunk === null || error === null || !Array.isArray(chunk['choices']) || isNamedError(event)) told.push(event);
    else told.push(...toldApart(chunk, error));
  }
  return holdsError ? Buffer.concat(told) : null;
}

/** The error of a chunk, or of an event in place of one; null: it has no error. Beside choices some servers say an empty one. */
export function errorOfChunk(chunk: Fields): unknown {
  const error = chunk['error'] ?? errorOfChoices(chunk);
  const isEmpty = error === '' || error === false || (isObject(error) && Object.keys(error).length === 0);
  return isEmpty && Array.isArray(chunk['choices']) ? null : error;
}

/** The error that stands in place of every choice's message (OpenRouter); null: one of them has none. */
function errorOfChoices({ choices }: Fields): unknown {
  if (!Array.isArray(choices)) return null;
  const errors = (choices as readonly unknown[]).map((choice) => (isObject(choice) ? choice['error'] : null));
  return errors.every(isObject) ? (errors[0] ?? null) : null;
}

function toldApart(chunk: Fields, error: unknown): readonly Buffer[] {
  const { error: _error, ...said } = chunk;
  const alone = { error: typeof error === 'string' ? { message: error, type: 'server_error' } : error };
  return (saysAnything(said) ? [said, alone] : [alone]).map((data) => Buffer.from(`data: ${JSON.stringify(data)}\n\n`));
}
