import { parseJsonObject, withField, withText } from '../../../platform/json/index.js';
import { DEFAULT_OUTPUT_TOKENS, type ChatRequest } from '../requests/chat-request.js';
import { countInputTokens } from '../requests/chat-tokens.js';
import { PARSED_BYTES } from './answer-bytes.js';
import { ChatGatherer, eventsOf } from './answer-forms.js';
import type { AnswerReader } from './answer-reader.js';
import { failureInAnswer, hasChoice, holdsChoice, refusalIn } from './openai-failure.js';
import { OpenaiStream } from './openai-stream.js';
import { usageIn } from './openai-usage.js';
import { estimateAnswerTokens, estimatePartTokens, ProducedText } from './produced-text.js';

export const CHAT_READER: AnswerReader<ChatRequest> = {
  path: '/chat/completions',
  bodyOf: (request, reportsUnasked) =>
    request.stream && !request.includeUsage && !reportsUnasked ? withUsageAsked(request) : request.raw,
  failureIn: failureInAnswer,
  isAnswer: hasChoice,
  hasBegun: holdsChoice,
  refusalIn,
  usageIn,
  hasOutput: true,
  countInput: countInputTokens,
  estimateAnswer: estimateAnswerTokens,
  estimatePart: (tokenizer, part, isEvents) =>
    isEvents ? ProducedText.of(part).estimateTokens(tokenizer) : estimatePartTokens(tokenizer, part.toString('utf8')),
  // More than any limit on the output allows.
  mostOutput: ({ choices, maxOutputTokens }) => choices * (maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS),
  parsedBytes: PARSED_BYTES,
  stream: (request, tokenizer) => new OpenaiStream(!request.includeUsage, tokenizer),
  endMark: Buffer.from('data: [DONE]\n\n'),
  gatherer: () => new ChatGatherer(),
  eventsOf: (answer, request) => eventsOf(answer, request.includeUsage),
};

const USAGE_ASKED = Buffer.from('"stream_options":{"include_usage":true},');
const OPENING_BRACE = 0x7b;

/**
 * The body with `stream_options.include_usage` set, so that the provider says what a stream used; every other byte is the
 * caller's, numbers too large for a double included.
 */
export function withUsageAsked(request: ChatRequest): Buffer {
  const { raw, json } = request;
  const span = json.fields.get('stream_options');
  if (span === undefined) {
    // `stream` stands in the body, so that a comma is right.
    const afterBrace = raw.indexOf(OPENING_BRACE) + 1;
    return Buffer.concat([raw.subarray(0, afterBrace), USAGE_ASKED, raw.subarray(afterBrace)]);
  }
  if (json.value['stream_options'] === null) return withText(json, span, '{"include_usage":true}');
  const options = parseJsonObject(Buffer.from(json.text.slice(span.start, span.end)));
  return withText(json, span, withField(options, 'include_usage', true));
}
