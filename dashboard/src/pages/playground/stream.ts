import { UnreachableError } from '../../api/api-error.js';
import { refusalOf } from '../../api/client.js';
import { session } from '../../session/session.js';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly temperature?: number;
  readonly max_tokens?: number;
}

export interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly usage?: ChatUsage | null;
  readonly error?: { readonly message?: string };
}

/** The end of a completion. */
interface ChatEnd {
  /** Null: the provider did not report it. */
  readonly usage: ChatUsage | null;
  readonly requestId: string;
}

/** A completion as it arrives: each piece of text, and at the end its usage. */
export async function* streamChat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<string, ChatEnd> {
  const response = await fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(await session.headers()) },
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
    signal,
  }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new UnreachableError({ cause: error });
  });
  if (!response.ok || response.body === null) throw await refusalOf(response);
  let usage: ChatUsage | null = null;
  for await (const data of eventsOf(response.body)) {
    if (data === '[DONE]') break;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) throw new Error(chunk.error.message ?? 'error');
    usage = chunk.usage ?? usage;
    const text = chunk.choices?.[0]?.delta?.content;
    if (text) yield text;
  }
  return { usage, requestId: response.headers.get('x-request-id') ?? '' };
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const data = /^data:\s?(.*?)\r?$/.exec(line)?.[1];
      if (data !== undefined) yield data;
    }
  }
}
