import type { Tokenizer } from '../../tokens/tokenizer.js';
import type { OperationName, OperationRequests, ProviderFailure } from '../provider.js';
import type { ProviderRequest } from '../requests/request-fields.js';
import type { EventToWrite } from './event-steps.js';
import type { Asked } from './openai-failure.js';
import type { ReportedCounts } from './openai-usage.js';
import type { Gatherer } from './answer-forms.js';

export type Answer = Readonly<Record<string, unknown>>;

/** A stream as it comes: which of its events are whole, where it ends, what it reports and says. */
export interface AnswerStream {
  /** Its last event came. */
  readonly ended: boolean;
  /** A stream that ends now is a whole one. */
  readonly isWhole: boolean;
  /** The provider's own error stands in it. */
  readonly failed: boolean;
  /** An error came, and nothing that was produced before it. */
  readonly isRefused: boolean;
  readonly model: string | null;
  /** Null: nothing was reported, or nothing of what was said last. */
  readonly reported: ReportedCounts | null;
  /** @returns the events that are whole now; may be empty */
  push(chunk: Buffer): Buffer;
  /** The source has ended. @returns what was left of it that can be read */
  end(): Buffer;
  /** Output tokens, counted from what was said; not less than was reported. */
  estimateOutput(): number;
}

/** How the requests of one operation go to a server of OpenAI's dialect, and how its answers are read. */
export interface AnswerReader<Request extends ProviderRequest> {
  /** Below the provider's address. */
  readonly path: string;
  /**
   * The body that goes upstream.
   * @param reportsUnasked a stream reports its usage without a request for it
   */
  bodyOf(request: Request, reportsUnasked: boolean): Buffer;
  /** An error in place of an answer; null: it is an answer. */
  failureIn(answer: Answer, asked: Asked): ProviderFailure | null;
  /** False: there is nothing in it that was asked for. */
  isAnswer(answer: Answer): boolean;
  /** Whether the events say anything yet; until then they are held, since a failure still has a status to say. */
  hasBegun(events: Buffer): boolean;
  /** An error in place of an answer; null: the events begin with something else. */
  refusalIn(events: Buffer, asked: Asked): ProviderFailure | null;
  usageIn(answer: Answer): ReportedCounts | null;
  /** False: all that is used is input. */
  readonly hasOutput: boolean;
  countInput(tokenizer: Tokenizer, request: Request): number;
  /** Output tokens of a whole answer that came without usage. */
  estimateAnswer(tokenizer: Tokenizer, answer: Answer): number;
  /** Output tokens of an answer that was broken off while it came. */
  estimatePart(tokenizer: Tokenizer, part: Buffer, isEvents: boolean): number;
  /** Of an answer that is too long to be looked through. */
  mostOutput(request: Request): number;
  /** Answers that are longer, or hold too much, are not parsed: what they report is read as it stands in them. */
  readonly parsedBytes: number;
  stream(request: Request, tokenizer: Tokenizer): AnswerStream;
  /** What a stream that is whole ends with where the provider left it out. May be empty. */
  readonly endMark: Buffer;
  /** Makes one answer of a stream. */
  gatherer(): Gatherer;
  /** An answer as the events of a stream, which `endMark` follows. */
  eventsOf(answer: Answer, request: Request): readonly EventToWrite[];
}

export type AnswerReaders = { readonly [Name in OperationName]: AnswerReader<OperationRequests[Name]> };
