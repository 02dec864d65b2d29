/** Chat completions as OpenAI's documentation describes them, with the error names of the kinds that speak OpenAI's dialect. */
import { DONE, errorBody, eventOf, usageOf } from './openai-upstream.js';
import { jsonAnswer, piecesOf, type Answerer, type WireAnswer, type WireRequest } from './wire-upstream.js';

export interface OpenaiSaid {
  readonly text?: string;
  readonly thinking?: string;
  readonly calls?: readonly { readonly id: string; readonly input: object }[];
  readonly pieceLength?: number;
}

/** The differences of a kind: its refusals, and whether a stream reports usage without being asked. */
export interface OpenaiWords {
  faultOf(request: WireRequest): string | null;
  readonly reportsUnasked: boolean;
}

interface ChatBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
}

const USAGE = usageOf(125, 33);
const ENVELOPE = { id: 'chatcmpl-B7x2Qk9VtYhN4mPz', created: 1_767_225_600 };

export function openaiSays(words: OpenaiWords, said: OpenaiSaid = {}): Answerer {
  return (request) => {
    const fault = words.faultOf(request);
    if (fault !== null) return jsonAnswer(errorBody(fault, 'invalid_request_error'), 400);
    const body = request.body as ChatBody;
    return body.stream === true ? streamed(said, body, words) : jsonAnswer(whole(said, body));
  };
}

function whole(said: OpenaiSaid, { model }: ChatBody): object {
  const { text = 'Hello there', thinking, calls } = said;
  const message = {
    role: 'assistant',
    content: calls === undefined ? text : (said.text ?? null),
    refusal: null,
    ...(thinking === undefined ? {} : { reasoning_content: thinking }),
    ...(calls === undefined ? {} : { tool_calls: calls.map(callOf) }),
  };
  const choice = { index: 0, message, logprobs: null, finish_reason: finishOf(said) };
  return { ...ENVELOPE, object: 'chat.completion', model, choices: [choice], usage: USAGE };
}

function streamed(said: OpenaiSaid, { model, stream_options: options }: ChatBody, words: OpenaiWords): WireAnswer {
  const { text = said.calls === undefined ? 'Hello there' : '', thinking = '', calls = [], pieceLength } = said;
  const isAsked = options?.include_usage === true;
  const chunk = (delta: object, finish: string | null = null): object => ({
    ...ENVELOPE,
    object: 'chat.completion.chunk',
    model,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(isAsked ? { usage: null } : {}),
  });
  const last = chunk({}, finishOf(said));
  const chunks = [
    chunk({ role: 'assistant', content: '' }),
    ...piecesOf(thinking, pieceLength).map((piece) => chunk({ reasoning_content: piece })),
    ...piecesOf(text, pieceLength).map((piece) => chunk({ content: piece })),
    ...calls.flatMap((call, index) => {
      const { function: called, ...rest } = callOf(call);
      return [
        chunk({ tool_calls: [{ index, ...rest, function: { ...called, arguments: '' } }] }),
        chunk({ tool_calls: [{ index, function: { arguments: called.arguments } }] }),
      ];
    }),
    words.reportsUnasked ? { ...last, usage: USAGE } : last,
    ...(isAsked ? [{ ...chunk({}), choices: [], usage: USAGE }] : []),
  ];
  return { headers: { 'content-type': 'text/event-stream' }, chunks: [...chunks.map(eventOf), DONE] };
}

function callOf({ id, input }: { readonly id: string; readonly input: object }): {
  readonly id: string;
  readonly type: string;
  readonly function: { readonly name: string; readonly arguments: string };
} {
  return { id, type: 'function', function: { name: 'get_weather', arguments: JSON.stringify(input) } };
}

function finishOf({ calls }: OpenaiSaid): string {
  return calls === undefined ? 'stop' : 'tool_calls';
}
