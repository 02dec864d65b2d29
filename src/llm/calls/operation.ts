import type { DefaultOutput } from '../../usage/index.js';
import type { JsonObject } from '../../platform/json/index.js';
import type { ModelFacts } from '../models/model-facts.js';
import type { OperationName, OperationRequests, TokenUsage } from '../providers/provider.js';
import type { TextBound } from '../tokens/tokenizer.js';

/** Upper bounds of one call: docs/decisions/0011-bounds-of-a-call.md says where they come from. */
export interface CallBound {
  /** How many answers share the output. */
  readonly choices: number;
  /** Of the whole prompt, images, tools and schemas included. */
  readonly inputTokens: number;
  /** Of all answers together; without a limit by the caller: the model's own, else a default. */
  readonly outputTokens: number;
  /** What a call is given under a budget whose caller set no limit; null: the caller did. */
  readonly defaultOutput: DefaultOutput | null;
  /** False: neither the caller nor the catalogue bounds the output, so that the limit must be written into the request. */
  readonly outputIsBounded: boolean;
  /** The field whose content has no known bound (audio, files, server-side tools, ...); null: all of it has one. */
  readonly boundless: string | null;
  /** The field that asks for a special price, which is not known beforehand; null: none does. */
  readonly unpriced: string | null;
}

/** OpenAI's error object as the text of an event. */
export type StreamError = (error: object) => string;

/**
 * What a caller can ask for, as far as a call needs to know it: how its request is read, how much it can come to, and what
 * of an answer counts. A call knows no operation by name.
 */
export interface Operation<Name extends OperationName> {
  readonly name: Name;
  /** The route by which callers ask for it, as the audit log names it. */
  readonly route: string;
  /** @throws Fault invalid_input, naming the field */
  parse(body: JsonObject): OperationRequests[Name];
  /** The same request of another model; all else stays as it is, byte for byte. */
  withModel(request: OperationRequests[Name], model: string): OperationRequests[Name];
  /** The most that a request can come to, where a text is as many tokens as `texts` says. */
  bound(request: OperationRequests[Name], facts: ModelFacts | null, texts: TextBound): CallBound;
  /** The same request, which asks for no more output than this. */
  limitOutput(
    request: OperationRequests[Name],
    facts: ModelFacts | null,
    tokensPerChoice: number,
  ): OperationRequests[Name];
  /** The last event of a stream that failed, of OpenAI's error object; absent: that object as data. */
  readonly streamError?: StreamError;
  /** What is charged where the provider did not report it. `bound` counts only where it is asked. */
  chargeEstimate(estimate: TokenUsage, request: OperationRequests[Name], bound: () => CallBound): TokenUsage;
}
