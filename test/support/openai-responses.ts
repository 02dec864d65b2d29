/** OpenAI's answers to calls of its Responses API. */
import type { UpstreamAnswer } from './openai-upstream.js';

const RESPONSE_ID = 'resp_68a1f0c2d4e88190b0';

interface Said {
  readonly model?: string;
  readonly words?: readonly string[];
  readonly status?: 'completed' | 'incomplete' | 'failed' | 'in_progress';
  /** Null: no usage is reported. */
  readonly usage?: object | null;
  readonly error?: object | null;
  readonly id?: string;
}

const WORDS = ['Hello', ' from', ' the', ' upstream', '.'];

export function responsesUsage(input: number, output: number, cached = 0, reasoning = 0): object {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

/** A whole response. */
export function response({
  model = 'gpt-4o-mini',
  words = WORDS,
  status = 'completed',
  usage = responsesUsage(9, 12),
  error = null,
  id = RESPONSE_ID,
}: Said = {}): object {
  return {
    id,
    object: 'response',
    created_at: 1_767_225_600,
    status,
    error,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: null,
    max_output_tokens: null,
    model,
    output: words.length === 0 ? [] : [message(words)],
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: true,
    temperature: 1,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    truncation: 'disabled',
    usage,
    user: null,
    metadata: {},
  };
}

function message(words: readonly string[]): object {
  return { id: 'msg_68a1', type: 'message', status: 'completed', role: 'assistant', content: [part(words)] };
}

function part(words: readonly string[]): object {
  return { type: 'output_text', text: words.join(''), annotations: [], logprobs: [] };
}

/** The events of a streamed response, each as it is sent. */
export function responseEvents(said: Said = {}): string[] {
  const { words = WORDS, status = 'completed' } = said;
  const begun = response({ ...said, words: [], status: 'in_progress', usage: null, error: null });
  const at = { item_id: 'msg_68a1', output_index: 0 };
  const item = message(words);
  const events: (readonly [string, object])[] = [
    ['response.created', { response: begun }],
    ['response.in_progress', { response: begun }],
    ['response.output_item.added', { output_index: 0, item: { ...item, status: 'in_progress', content: [] } }],
    ['response.content_part.added', { ...at, content_index: 0, part: part([]) }],
    ...words.map((delta) => ['response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [] }] as const),
    ['response.output_text.done', { ...at, content_index: 0, text: words.join(''), logprobs: [] }],
    ['response.content_part.done', { ...at, content_index: 0, part: part(words) }],
    ['response.output_item.done', { output_index: 0, item }],
    [`response.${status}`, { response: response(said) }],
  ];
  return events.map(([type, fields], number) => responseEvent(type, fields, number));
}

export function responseEvent(type: string, fields: object, number = 0): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number, ...fields })}\n\n`;
}

export function streamedResponse(said: Said = {}): UpstreamAnswer {
  return { kind: 'stream', pieces: responseEvents(said), done: false };
}

/** JSON or a stream, as the request asks. */
export function ordinaryResponse(body: Buffer): UpstreamAnswer {
  const { model, stream } = JSON.parse(body.toString('utf8')) as { readonly model: string; readonly stream?: boolean };
  return stream === true ? streamedResponse({ model }) : { kind: 'body', body: response({ model }) };
}
