import { isLongerThan, writeSteps, type Steps } from '../../../platform/json/index.js';
import { SMALL_BYTES } from './answer-bytes.js';

/** So much is sent together. */
const SENT_BYTES = 256 * 1024;
const EVENT_END = Buffer.from('\n\n');
const NOTHING: Buffer = Buffer.alloc(0);

/** An event of a stream that is written anew. */
export interface EventToWrite {
  readonly name?: string;
  readonly data: object;
}

/**
 * Writes events: at once where they are small together.
 *
 * @param end what the stream ends with
 * @returns the steps that write large ones, and send them in pieces; null: they were sent
 */
export function writeEvents(
  events: readonly EventToWrite[],
  send: (bytes: Buffer) => void,
  end = NOTHING,
): Steps<void> | null {
  if (isLongerThan(events, SMALL_BYTES)) return eventSteps(events, send, end);
  const texts = events.map((event) => `${headOf(event)}${JSON.stringify(event.data)}\n\n`);
  if (texts.length > 0 || end.length > 0) send(Buffer.concat([Buffer.from(texts.join('')), end]));
  return null;
}

function* eventSteps(events: readonly EventToWrite[], send: (bytes: Buffer) => void, end: Buffer): Steps<void> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (bytes > 0) send(Buffer.concat(pieces));
    pieces = [];
    bytes = 0;
  };
  const add = (piece: Buffer): void => {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= SENT_BYTES) flush();
  };
  for (const event of events) {
    add(Buffer.from(headOf(event)));
    yield* writeSteps(event.data, add);
    add(EVENT_END);
    yield;
  }
  add(end);
  flush();
}

function headOf({ name }: EventToWrite): string {
  return name === undefined ? 'data: ' : `event: ${name}\ndata: `;
}
