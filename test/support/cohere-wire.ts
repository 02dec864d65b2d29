/** Cohere's Chat API, version 2, as its documentation describes it (docs.cohere.com: Chat, Streaming, Errors). */
import { jsonAnswer, piecesOf, type Answerer, type WireAnswer, type WireRequest } from './wire-upstream.js';

export interface CohereSaid {
  readonly text?: string;
  readonly thinking?: string;
  readonly plan?: string;
  readonly calls?: readonly { readonly id: string; readonly input: object }[];
  readonly finishReason?: string;
  /** The length of a stream's pieces; absent: 5 letters. */
  readonly pieceLength?: number;
}

const USAGE = {
  billed_units: { input_tokens: 20, output_tokens: 30 },
  tokens: { input_tokens: 125, output_tokens: 33 },
  cached_tokens: 100,
};
const ID = 'c14c80c3-18eb-4519-9460-6c92edd8cfb4';

export function cohereSays(said: CohereSaid = {}): Answerer {
  return (request) => {
    const fault = faultOf(request);
    if (fault !== null) return jsonAnswer({ id: ID, message: fault }, 400);
    return (request.body as { stream?: boolean }).stream === true ? cohereStream(said) : jsonAnswer(whole(said));
  };
}

export function cohereError(status: number, message: string, headers: Record<string, string> = {}): WireAnswer {
  return jsonAnswer({ id: ID, message }, status, headers);
}

function callsOf({
  calls = [],
}: CohereSaid): { id: string; type: 'function'; function: { name: string; arguments: string } }[] {
  return calls.map(({ id, input }) => ({
    id,
    type: 'function',
    function: { name: 'get_weather', arguments: JSON.stringify(input) },
  }));
}

function whole(said: CohereSaid): object {
  const { text = 'Hello there', thinking, plan, calls, finishReason = 'COMPLETE' } = said;
  const thought = thinking === undefined ? [] : [{ type: 'thinking', thinking }];
  const message =
    calls === undefined
      ? { role: 'assistant', content: [...thought, { type: 'text', text }] }
      : { role: 'assistant', content: thought, tool_plan: plan, tool_calls: callsOf(said) };
  return { id: ID, finish_reason: finishReason, message, usage: USAGE };
}

export function cohereEvents(said: CohereSaid): string[] {
  const { text = 'Hello there', thinking, plan, calls, finishReason = 'COMPLETE', pieceLength } = said;
  const empty = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] };
  const events: object[] = [{ type: 'message-start', id: ID, delta: { message: empty } }];
  if (thinking !== undefined) events.push(...block(0, 'thinking', piecesOf(thinking, pieceLength)));
  if (plan !== undefined)
    for (const piece of piecesOf(plan, pieceLength))
      events.push({ type: 'tool-plan-delta', delta: { message: { tool_plan: piece } } });
  for (const [index, call] of callsOf(said).entries()) {
    const begun = { ...call, function: { name: call.function.name, arguments: '' } };
    events.push({ type: 'tool-call-start', index, delta: { message: { tool_calls: begun } } });
    const rest = { function: { arguments: call.function.arguments } };
    events.push({ type: 'tool-call-delta', index, delta: { message: { tool_calls: rest } } });
    events.push({ type: 'tool-call-end', index });
  }
  if (calls === undefined) events.push(...block(thinking === undefined ? 0 : 1, 'text', piecesOf(text, pieceLength)));
  events.push({ type: 'message-end', id: ID, delta: { finish_reason: finishReason, usage: USAGE } });
  return events.map((event) => `event: ${(event as { type: string }).type}\ndata: ${JSON.stringify(event)}\n\n`);
}

function block(index: number, type: 'text' | 'thinking', pieces: readonly string[]): object[] {
  const content = (piece: string): object => ({ delta: { message: { content: { [type]: piece } } } });
  return [
    { type: 'content-start', index, delta: { message: { content: { type, [type]: '' } } } },
    ...pieces.map((piece) => ({ type: 'content-delta', index, ...content(piece) })),
    { type: 'content-end', index },
  ];
}

export function cohereStream(said: CohereSaid, rest: Partial<WireAnswer> = {}): WireAnswer {
  return { headers: { 'content-type': 'text/event-stream' }, chunks: cohereEvents(said), ...rest };
}

interface CohereBody {
  readonly messages?: readonly { readonly role: string; readonly content?: unknown; readonly tool_calls?: unknown }[];
  readonly thinking?: { readonly token_budget?: number };
  readonly max_tokens?: number;
}

function faultOf({ path, headers, body }: WireRequest): string | null {
  const { messages = [], thinking, max_tokens: most = Infinity } = body as CohereBody;
  if (path !== '/v2/chat') return `no such path: ${path}`;
  if (headers.authorization?.startsWith('Bearer ') !== true) return 'no api key supplied';
  if (
    messages.some(
      ({ role, content, tool_calls: calls }) => role !== 'assistant' && content === undefined && calls === undefined,
    )
  )
    return 'invalid request: message must have content';
  return (thinking?.token_budget ?? 0) > most ? 'invalid request: token_budget is above max_tokens' : null;
}
