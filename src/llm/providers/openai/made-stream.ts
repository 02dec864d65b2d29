import type { AnswerHeaders, AnswerSink } from '../provider.js';
import { writeEvents, type EventToWrite } from './event-steps.js';
import { notTaken, type Turns } from './large-answer.js';
import { OrderedWork } from './ordered-work.js';

const ignore = (): void => undefined;

/**
 * Hands a whole answer on as the stream that was made of it: a large one in turns.
 *
 * @param end what the stream ends with
 */
export function sendMadeStream(
  events: readonly EventToWrite[],
  end: Buffer,
  sink: AnswerSink,
  headers: AnswerHeaders,
  turn: Turns,
): OrderedWork {
  const onFailed = (reason: unknown): void => sink.onFailure(notTaken(reason));
  const work = new OrderedWork(turn, { onBusy: ignore, onDone: ignore, onFailed });
  work.do(() => writeEvents(events, (bytes) => sink.onStreamData(headers, bytes), end));
  work.do(() => {
    sink.onStreamEnd();
    return null;
  });
  return work;
}
