import { GatheredBytes, inTurns, READING_TURNS } from '../../../platform/http/index.js';
import { allAtOnce, isBounded, writeSteps, type Steps } from '../../../platform/json/index.js';
import { OutboundError } from '../../../platform/outbound/index.js';
import type { ProviderFailure } from '../provider.js';
import { objectIn, objectSteps, withoutBlank } from './answer-bytes.js';
import type { Answer } from './answer-reader.js';
import type { KeptBody } from './kept-body.js';
import { brokenAnswer, failureOfTransport, tooMuchToRead } from './openai-failure.js';
import type { GatheredStream, WholeAnswer } from './whole-answer.js';

/** Resolves when it is an answer's turn: other work runs before it. */
export type Turns = () => Promise<void>;

export function turnsOf(owner: object): Turns {
  return () => READING_TURNS.next(owner);
}

/** What came for a call of one answer. */
export interface ReadAnswer {
  /** Null: no events came. */
  readonly stream: GatheredStream | null;
  /** As it came; of events: what they say together, written anew. */
  readonly body: Buffer;
  /** Null: it is not an object. 'too much': it is passed on unread. */
  readonly object: Answer | 'too much' | null;
}

interface Arrived {
  readonly whole: WholeAnswer;
  readonly kept: KeptBody;
  readonly size: number;
  readonly parsedBytes: number;
}

/** Reads a small answer that has ended. */
export function readAtOnce(whole: WholeAnswer, kept: KeptBody): ReadAnswer {
  allAtOnce(whole.endSteps());
  const { stream } = whole;
  if (stream !== null)
    return { stream, object: null, body: Buffer.from(JSON.stringify(stream.gathered?.answer ?? {})) };
  const body = kept.all();
  return { stream, body, object: isBounded(withoutBlank(body)) ? objectIn(body) : 'too much' };
}

/**
 * Reads a large answer that has ended. Other work runs between the steps: another answer's, a probe, a small call.
 *
 * @param reading of the event that came last
 */
export async function readInTurns(arrived: Arrived, reading: Promise<void> | null, turn: Turns): Promise<ReadAnswer> {
  const { whole, kept, size, parsedBytes } = arrived;
  await turn();
  await reading;
  await inTurns(whole.endSteps(), turn);
  const { stream } = whole;
  if (stream !== null)
    return { stream, object: null, body: await inTurns(writtenSteps(stream.gathered?.answer ?? {}, size), turn) };
  const body = kept.all();
  const object = body.length > parsedBytes ? 'too much' : await inTurns(objectSteps(body), turn);
  await turn();
  return { stream, body, object };
}

/** Reads a large event of a stream. */
export async function readEventInTurns(whole: WholeAnswer, turn: Turns): Promise<void> {
  await turn();
  await inTurns(whole.readSteps(), turn);
}

/**
 * The bytes of an answer that is written anew.
 *
 * @param size about how many there are
 */
export function* writtenSteps(answer: object, size: number): Steps<Buffer> {
  const body = new GatheredBytes(size, Infinity);
  yield;
  yield* writeSteps(answer, (piece) => body.add(piece));
  yield;
  return body.all();
}

export function notTaken(error: unknown): ProviderFailure {
  return failureOfTransport(new OutboundError('broken', 'The answer could not be taken in.', error));
}

export function tooMuch(): ProviderFailure {
  return { outcome: 'UPSTREAM_BROKEN', error: tooMuchToRead() };
}

export function noObject(): ProviderFailure {
  return brokenAnswer('The model provider did not answer with a JSON object.');
}

export function brokeOff(): ProviderFailure {
  return brokenAnswer('The model provider broke off its answer.');
}

/**
 * Why a stream is not an answer; null: it is one, or an error.
 *
 * @param error broke the connection; a stream that came to its mark is whole
 */
export function failureOfGathered(stream: GatheredStream, error: OutboundError | null): ProviderFailure | null {
  const { isMarked, isTooMuch, gathered } = stream;
  if (error !== null && !isMarked) return failureOfTransport(error);
  if (isTooMuch) return tooMuch();
  if (gathered === null) return noObject();
  return gathered.error === null && !gathered.isWhole ? brokeOff() : null;
}
