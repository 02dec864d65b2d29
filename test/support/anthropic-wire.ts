/**
 * Anthropic's Messages API as its documentation describes it (platform.claude.com: Messages, Streaming, Errors): the required
 * parts of a request, and the forms of answers.
 */
import { jsonAnswer, piecesOf, type Answerer, type WireAnswer, type WireRequest } from './wire-upstream.js';

type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | { readonly type: 'redacted_thinking'; readonly data: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: object };

export interface AnthropicSaid {
  readonly content?: readonly Block[];
  readonly stopReason?: string;
  readonly usage?: object;
  readonly model?: string;
  /** The length of a stream's pieces; absent: 5 letters. */
  readonly pieceLength?: number;
}

interface AnthropicBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly max_tokens?: number;
  readonly thinking?: { readonly type: string; readonly budget_tokens?: number };
  readonly temperature?: number;
  readonly top_p?: number;
  readonly tool_choice?: { readonly type: string };
  readonly messages?: readonly { readonly role: string; readonly content: string | readonly SentBlock[] }[];
}

interface SentBlock {
  readonly type: string;
  readonly text?: string;
  readonly id?: string;
  readonly tool_use_id?: string;
}

const HEADERS = { 'request-id': 'req_011CSHoEeqs5C35K2UUqR7Fy' };
const USAGE = {
  input_tokens: 25,
  cache_creation_input_tokens: 7,
  cache_read_input_tokens: 100,
  cache_creation: { ephemeral_5m_input_tokens: 7, ephemeral_1h_input_tokens: 0 },
  output_tokens: 33,
  service_tier: 'standard',
};

/** JSON or a stream, as the request asks; 400 where the API would refuse the request. */
export function anthropicSays(said: AnthropicSaid = {}): Answerer {
  return (request) => {
    const fault = faultOf(request);
    if (fault !== null) return anthropicError(400, 'invalid_request_error', fault);
    const body = request.body as unknown as AnthropicBody;
    return body.stream === true ? sse(anthropicEvents(said, body)) : jsonAnswer(messageOf(said, body), 200, HEADERS);
  };
}

export function anthropicError(
  status: number,
  type: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): WireAnswer {
  const body = { type: 'error', error: { type, message }, request_id: HEADERS['request-id'] };
  return jsonAnswer(body, status, { ...HEADERS, ...headers });
}

export function sse(events: readonly string[], rest: Partial<WireAnswer> = {}): WireAnswer {
  return { headers: { 'content-type': 'text/event-stream; charset=utf-8', ...HEADERS }, chunks: events, ...rest };
}

export function errorEvent(type: string, message: string): string {
  return event({ type: 'error', error: { type, message } });
}

function messageOf(
  { content = [text('Hello there')], stopReason = 'end_turn', usage = USAGE, model }: AnthropicSaid,
  body: AnthropicBody,
): object {
  return {
    id: 'msg_01XFDUDYJgAACzvnptvVoYEL',
    type: 'message',
    role: 'assistant',
    model: model ?? body.model,
    content,
    stop_reason: stopReason,
    stop_sequence: null,
    usage,
  };
}

/** The events of a stream, one for each piece of a text. */
export function anthropicEvents(said: AnthropicSaid, body: AnthropicBody): string[] {
  const { content = [text('Hello there')], stopReason = 'end_turn', usage = USAGE, pieceLength } = said;
  const start = { ...messageOf(said, body), content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } };
  const events = [event({ type: 'message_start', message: start }), event({ type: 'ping' })];
  content.forEach((block, index) => {
    const [opened, deltas] = streamed(block, (whole) => piecesOf(whole, pieceLength));
    events.push(event({ type: 'content_block_start', index, content_block: opened }));
    for (const delta of deltas) events.push(event({ type: 'content_block_delta', index, delta }));
    events.push(event({ type: 'content_block_stop', index }));
  });
  const { output_tokens: outputTokens } = usage as { readonly output_tokens?: number };
  events.push(
    event({
      type: 'message_delta',
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: { output_tokens: outputTokens ?? 0 },
    }),
    event({ type: 'message_stop' }),
  );
  return events;
}

function streamed(block: Block, pieces: (whole: string) => string[]): [object, object[]] {
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: '' }, pieces(block.text).map((piece) => ({ type: 'text_delta', text: piece }))];
    case 'thinking':
      return [
        { type: 'thinking', thinking: '', signature: '' },
        [
          ...pieces(block.thinking).map((thinking) => ({ type: 'thinking_delta', thinking })),
          { type: 'signature_delta', signature: block.signature },
        ],
      ];
    case 'redacted_thinking':
      return [block, []];
    case 'tool_use':
      return [
        { ...block, input: {} },
        ['', ...pieces(JSON.stringify(block.input))].map((json) => ({ type: 'input_json_delta', partial_json: json })),
      ];
  }
}

function event(data: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

export function text(value: string): Block {
  return { type: 'text', text: value };
}

export function toolUse(id: string, input: object, name = 'get_weather'): Block {
  return { type: 'tool_use', id, name, input };
}

/** The API's objection to a request; null: none. */
function faultOf({ headers, body: sent, path }: WireRequest): string | null {
  const body = sent as unknown as AnthropicBody;
  if (path !== '/v1/messages') return `no such path: ${path}`;
  if (headers['anthropic-version'] !== '2023-06-01') return 'anthropic-version: header is required';
  if (typeof headers['x-api-key'] !== 'string') return 'x-api-key header is required';
  const { max_tokens: most = 0, thinking, temperature, top_p: topP, tool_choice: choice, messages = [] } = body;
  if (!Number.isInteger(most) || most < 1) return 'max_tokens: Field required';
  if (thinking?.type === 'enabled') {
    const { budget_tokens: budget = 0 } = thinking;
    if (budget < 1024) return 'thinking.enabled.budget_tokens: must be at least 1024';
    if (budget >= most) return 'max_tokens: must be greater than thinking.budget_tokens';
    if (temperature !== undefined && temperature !== 1) return 'temperature: may only be 1 when thinking is enabled';
    if (choice?.type === 'any' || choice?.type === 'tool') return 'tool_choice: thinking may not force tool use';
  }
  if (temperature !== undefined && topP !== undefined) return 'temperature and top_p cannot both be specified';
  if (temperature !== undefined && (temperature < 0 || temperature > 1)) return 'temperature: range 0..1';
  return faultOfMessages(messages);
}

function faultOfMessages(messages: NonNullable<AnthropicBody['messages']>): string | null {
  let open: (string | undefined)[] = [];
  for (const [index, { role, content }] of messages.entries()) {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content } as SentBlock] : content;
    const results = blocks.filter(({ type }) => type === 'tool_result').map(({ tool_use_id: id }) => id);
    if (open.length > 0 && (role !== 'user' || open.some((id) => !results.includes(id))))
      return `messages.${index}: tool_use ids were found without tool_result blocks immediately after`;
    if (blocks.some(({ type, text: said }) => type === 'text' && said === ''))
      return `messages.${index}: text content blocks must be non-empty`;
    open = role === 'assistant' ? blocks.filter(({ type }) => type === 'tool_use').map(({ id }) => id) : [];
  }
  return open.length > 0 ? 'messages: the last tool_use has no tool_result' : null;
}
