import { eventsOfResponse } from '../responses/response-events.js';
import type { ProviderFailure } from '../provider.js';
import { DEFAULT_OUTPUT_TOKENS, isObject } from '../requests/chat-request.js';
import type { ResponsesRequest } from '../requests/responses-request.js';
import { collectOutputText, countResponsesInput } from '../requests/responses-tokens.js';
import { PARSED_BYTES } from './answer-bytes.js';
import type { Answer, AnswerReader } from './answer-reader.js';
import { holdsField } from './field-mark.js';
import { failureInAnswer, type Asked } from './openai-failure.js';
import { usageIn } from './openai-usage.js';
import { estimatePartTokens, ProducedText } from './produced-text.js';
import { ResponseGatherer, ResponsesStream, SAID_IN_DELTAS } from './responses-stream.js';
import { endOfFirstEvent, parseEvent } from './sse-usage-filter.js';

/** The strings of an answer's JSON that a model wrote. */
const SAID = /"(?:text|refusal|arguments|name|input)"\s*:\s*"/g;

export const RESPONSES_READER: AnswerReader<ResponsesRequest> = {
  path: '/responses',
  bodyOf: ({ raw }) => raw,
  failureIn,
  isAnswer: (answer) => Array.isArray(answer['output']),
  // Events that are none of the Responses API are an error, or nothing.
  hasBegun: (events) => holdsField(events, '"type"', '"response.'),
  refusalIn: (events, asked) => {
    const at = events.indexOf('data:');
    const end = endOfFirstEvent(events, at);
    const event = parseEvent(events.subarray(at, end === -1 ? events.length : end));
    return event === null ? null : failureIn(event, asked);
  },
  usageIn,
  hasOutput: true,
  countInput: countResponsesInput,
  estimateAnswer: (tokenizer, answer) => {
    const texts: string[] = [];
    for (const item of listOf(answer['output'])) collectOutputText(item, texts);
    return tokenizer.count(texts.join('\n'));
  },
  estimatePart: (tokenizer, part, isEvents) =>
    isEvents
      ? ProducedText.of(part, ...SAID_IN_DELTAS).estimateTokens(tokenizer)
      : estimatePartTokens(tokenizer, part.toString('utf8'), SAID),
  mostOutput: ({ maxOutputTokens }) => maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS,
  parsedBytes: PARSED_BYTES,
  stream: (_request, tokenizer) => new ResponsesStream(tokenizer),
  // The last event says that it is the last.
  endMark: Buffer.alloc(0),
  gatherer: () => new ResponseGatherer(),
  eventsOf: eventsOfResponse,
};

function failureIn(answer: Answer, asked: Asked): ProviderFailure | null {
  const { type, response } = answer;
  if (type === 'error') return failureInAnswer(isObject(answer['error']) ? answer : { error: answer }, asked);
  if (type === 'response.failed' && isObject(response)) return failureInAnswer(response, asked);
  return failureInAnswer(answer, asked);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}
