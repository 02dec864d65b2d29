import type { AnswerSink, Attempt, Provider, ProviderFailure } from '../../src/llm/providers/provider.js';
import { parseChatRequest } from '../../src/llm/providers/requests/chat-request.js';
import { Fault } from '../../src/platform/errors/index.js';

interface ToolCall {
  readonly index?: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
  readonly extra_content?: unknown;
}

interface Message {
  readonly role?: string;
  readonly content?: string | null;
  readonly reasoning_content?: string;
  readonly refusal?: string | null;
  readonly tool_calls?: readonly ToolCall[];
  readonly extra_content?: unknown;
}

interface Completion {
  readonly model: string;
  readonly choices: readonly [{ readonly message: Message; readonly finish_reason: string }];
  readonly usage: unknown;
}

interface Chunk {
  readonly model: string;
  readonly object: string;
  readonly choices: readonly { readonly delta: Message; readonly finish_reason: string | null }[];
  readonly usage?: unknown;
}

interface GatheredCall {
  id: string | undefined;
  name: string | undefined;
  arguments: string;
  extra_content?: unknown;
}

/** A stream joined into one message. */
interface Gathered {
  content?: string;
  reasoning_content?: string;
  refusal?: string;
  tool_calls?: GatheredCall[];
  extra_content?: unknown[];
  finish?: string;
}

/** The error that a caller gets for a failure. */
interface Told {
  readonly outcome?: string | undefined;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  readonly type?: string | undefined;
  readonly field?: string | undefined;
  readonly message?: string | undefined;
  readonly headers?: unknown;
}

/** Records a provider's answer, and resolves when it has ended. */
class RecordedSink implements AnswerSink {
  private body: Completion | null = null;
  events = '';
  writes = 0;
  ended = false;
  failure: ProviderFailure | null = null;
  waits = false;
  lateness: ProviderFailure | null = null;
  /** Called at each piece of a stream. */
  onPiece: () => void = () => undefined;
  readonly over: Promise<void>;
  private end: () => void = () => undefined;

  constructor() {
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  onJson(_headers: unknown, body: Buffer): void {
    this.body = JSON.parse(body.toString('utf8')) as Completion;
    this.end();
  }

  onStreamData(_headers: unknown, events: Buffer): void {
    this.events += events.toString('utf8');
    this.writes += 1;
    this.onPiece();
  }

  onStreamEnd(): void {
    this.ended = true;
    this.end();
  }

  onFailure(failure: ProviderFailure): void {
    this.failure = failure;
    this.end();
  }

  onLate(failure: ProviderFailure): boolean {
    this.lateness = failure;
    return this.waits;
  }

  get hasJson(): boolean {
    return this.body !== null;
  }

  get json(): Completion {
    if (this.body === null) throw new Error(`There was no answer: ${JSON.stringify(this.told)}`);
    return this.body;
  }

  get choice(): Completion['choices'][0] {
    return this.json.choices[0];
  }

  /** The chunks of a stream, without its end mark. */
  get chunks(): Chunk[] {
    return this.events
      .split('\n\n')
      .filter((event) => event !== '' && event !== 'data: [DONE]')
      .map((event) => JSON.parse(event.replace(/^data: /, '')) as Chunk);
  }

  get message(): Gathered {
    const message: Gathered = {};
    for (const { choices } of this.chunks) {
      const { delta, finish_reason: finish } = choices[0] ?? { delta: {}, finish_reason: null };
      if (finish !== null) message.finish = finish;
      for (const field of ['content', 'reasoning_content', 'refusal'] as const) {
        const piece = delta[field];
        if (typeof piece === 'string') message[field] = (message[field] ?? '') + piece;
      }
      for (const call of delta.tool_calls ?? []) addCall((message.tool_calls ??= []), call);
      if (delta.extra_content !== undefined) (message.extra_content ??= []).push(delta.extra_content);
    }
    return message;
  }

  get told(): Told {
    if (this.failure === null) return {};
    const { outcome, error } = this.failure;
    if (error instanceof Fault)
      return { outcome, status: error.status, code: error.code, field: error.fields[0]?.field, message: error.message };
    const { status, body, headers } = error;
    return { outcome, status, type: body.type, message: body.message, headers };
  }
}

function addCall(calls: GatheredCall[], piece: ToolCall): void {
  const { index = 0, id, function: said, extra_content: extra } = piece;
  const call = (calls[index] ??= { id, name: said?.name, arguments: '' });
  call.arguments += said?.arguments ?? '';
  if (extra !== undefined) call.extra_content = extra;
}

export interface Asked {
  readonly sink: RecordedSink;
  readonly attempt: Attempt;
}

/** Begins a chat completion at a provider. */
export function begin(provider: Provider, body: object): Asked {
  const sink = new RecordedSink();
  const attempt = provider.start('chat', parseChatRequest(Buffer.from(JSON.stringify(body))), sink);
  return { sink, attempt };
}

/** Runs a chat completion to its end. */
export async function ask(provider: Provider, body: object): Promise<Asked> {
  const asked = begin(provider, body);
  await asked.sink.over;
  return asked;
}
