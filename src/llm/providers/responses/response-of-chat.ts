import { isObject } from '../requests/chat-request.js';
import type { ResponsesRequest } from '../requests/responses-request.js';
import type { ProviderFailure, TokenUsage } from '../provider.js';
import type { EventTaker } from './response-events.js';
import { newId, ResponseOutput } from './response-output.js';

type Fields = Readonly<Record<string, unknown>>;

/** Why a chat model stopped before it had said all, as the Responses API tells it. */
const INCOMPLETE: Readonly<Record<string, string>> = { length: 'max_output_tokens', content_filter: 'content_filter' };

/** A response that is made of a chat model's answer, whole or piece by piece. */
export class ResponseOfChat {
  private readonly output: ResponseOutput;
  private readonly id = newId('resp');
  private readonly createdAt = Math.floor(Date.now() / 1000);
  private finishReason = '';
  private model: string;

  constructor(
    private readonly request: ResponsesRequest,
    private readonly events: EventTaker,
  ) {
    this.model = request.model;
    this.output = new ResponseOutput(events);
  }

  begin(): void {
    const response = this.render('in_progress', [], null);
    this.events.add('response.created', { response });
    this.events.add('response.in_progress', { response });
  }

  /** Takes a whole completion, or a chunk of one. */
  add(answer: Fields): void {
    const { choices, model } = answer;
    if (typeof model === 'string' && model !== '') this.model = model;
    const [choice] = Array.isArray(choices) ? (choices as readonly unknown[]) : [];
    if (!isObject(choice)) return;
    const said = isObject(choice['delta']) ? choice['delta'] : choice['message'];
    if (isObject(said)) this.addSaid(said);
    if (typeof choice['finish_reason'] === 'string') this.finishReason = choice['finish_reason'];
  }

  /** @returns the whole response */
  end(usage: TokenUsage): Fields {
    const reason = INCOMPLETE[this.finishReason];
    const status = reason === undefined ? 'completed' : 'incomplete';
    const response = {
      ...this.render(status, this.output.end(status), usage),
      incomplete_details: reason === undefined ? null : { reason },
    };
    this.events.add(`response.${status}`, { response });
    return response;
  }

  fail(error: { readonly code: string; readonly message: string }, usage: TokenUsage): void {
    const response = { ...this.render('failed', this.output.end('incomplete'), usage), error };
    this.events.add('response.failed', { response });
  }

  private addSaid(said: Fields): void {
    const { content, refusal, annotations, tool_calls: calls } = said;
    const thought = said['reasoning_content'] ?? said['reasoning'];
    const extra = said['extra_content'];
    if (typeof thought === 'string' && thought !== '') this.output.addReasoning(thought);
    if (holdsThoughts(extra)) this.output.addThoughts(extra);
    for (const text of textsOf(content)) this.output.addText('output_text', text);
    if (Array.isArray(annotations))
      for (const each of annotations as readonly unknown[]) this.output.addAnnotation(each);
    if (typeof refusal === 'string' && refusal !== '') this.output.addText('refusal', refusal);
    if (isObject(extra) && !holdsThoughts(extra)) this.output.addToMessage(extra);
    for (const [at, call] of (Array.isArray(calls) ? (calls as readonly unknown[]) : []).entries()) {
      if (!isObject(call)) continue;
      const place = typeof call['index'] === 'number' ? call['index'] : at;
      const called = isObject(call['function']) ? call['function'] : {};
      const { id, extra_content: callsExtra } = call;
      this.output.addCall(place, { id, name: called['name'], arguments: called['arguments'] }, callsExtra);
    }
  }

  private render(status: string, output: readonly Fields[], usage: TokenUsage | null): Fields {
    const { value } = this.request.json;
    const asked = (field: string, otherwise: unknown = null): unknown => value[field] ?? otherwise;
    return {
      id: this.id,
      object: 'response',
      created_at: this.createdAt,
      status,
      background: false,
      error: null,
      incomplete_details: null,
      instructions: asked('instructions'),
      max_output_tokens: this.request.maxOutputTokens,
      max_tool_calls: null,
      model: this.model,
      output,
      parallel_tool_calls: asked('parallel_tool_calls', true),
      previous_response_id: null,
      prompt_cache_key: asked('prompt_cache_key'),
      reasoning: { effort: null, summary: null, ...(isObject(value['reasoning']) ? value['reasoning'] : {}) },
      safety_identifier: asked('safety_identifier'),
      service_tier: asked('service_tier', 'default'),
      store: false,
      temperature: asked('temperature', 1),
      text: { format: { type: 'text' }, ...(isObject(value['text']) ? value['text'] : {}) },
      tool_choice: asked('tool_choice', 'auto'),
      tools: asked('tools', []),
      top_logprobs: 0,
      top_p: asked('top_p', 1),
      truncation: 'disabled',
      usage: usage === null ? null : usageOf(usage),
      user: asked('user'),
      metadata: asked('metadata', {}),
    };
  }
}

/** Whether what a provider wants to see again is what its model thought. */
function holdsThoughts(extra: unknown): extra is Fields {
  return isObject(extra) && Object.values(extra).some((own) => isObject(own) && Array.isArray(own['thinking']));
}

function textsOf(content: unknown): readonly string[] {
  if (typeof content === 'string') return content === '' ? [] : [content];
  if (!Array.isArray(content)) return [];
  return (content as readonly unknown[]).flatMap((part) =>
    isObject(part) && typeof part['text'] === 'string' ? [part['text']] : [],
  );
}

function usageOf({ inputTokens, cachedInputTokens, outputTokens, reasoningTokens }: TokenUsage): Fields {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedInputTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}

/** What a failure says in an event of a stream that has begun. */
export function errorOf({ error }: ProviderFailure): { readonly code: string; readonly message: string } {
  const said = error instanceof Error ? { code: error.code, message: error.message } : error.body.error;
  return { code: said.code ?? 'server_error', message: said.message };
}
