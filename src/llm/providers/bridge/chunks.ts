import type { JSONValue, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import type { TokenCounts } from '../provider.js';
import { CallIds } from './call-ids.js';
import { extraContent, type Envelope } from './completion.js';
import { keptOf, type Metadata } from './extra-content.js';
import { refusalOf, type FinishReason } from './finish.js';
import { usageObjectOf } from './usage.js';

const DONE = 'data: [DONE]\n\n';

interface OpenCall {
  readonly index: number;
  hasArguments: boolean;
}

/**
 * Writes OpenAI's chunks from a package's stream parts. Pieces of one text that come together become one chunk, since each
 * costs the caller and us as much as a whole one.
 */
export class ChunkWriter {
  hasToolCalls = false;
  private events = '';
  private text = '';
  private textField: 'content' | 'reasoning_content' = 'content';
  private saidText = false;
  private begun = false;
  private head = '';
  private readonly tail: string;
  private calls = 0;
  private readonly callIds = new CallIds();
  /** The calls that have begun and not ended, the latest last. A provider can give several the same id. */
  private readonly openCalls = new Map<string, OpenCall[]>();
  /** What a block of thinking has said, until its signature comes. */
  private thinking = '';

  constructor(
    envelope: Envelope,
    private readonly namespace: string,
    private readonly includeUsage: boolean,
  ) {
    this.tail = `}]${includeUsage ? ',"usage":null' : ''}}\n\n`;
    this.answerAs(envelope);
  }

  /** Names the answer as the provider does, once it has said so. */
  answerAs({ id, created, model }: Envelope): void {
    const envelope = JSON.stringify({ id, object: 'chat.completion.chunk', created, model });
    this.head = `data: ${envelope.slice(0, -1)},"choices":[{"index":0,"delta":`;
  }

  get isEmpty(): boolean {
    return this.events === '' && this.text === '';
  }

  /** The events that have come up since this was last called. */
  take(): Buffer {
    this.endText();
    const bytes = Buffer.from(this.events);
    this.events = '';
    return bytes;
  }

  add(part: LanguageModelV4StreamPart): void {
    switch (part.type) {
      case 'text-delta':
        this.addText('content', part.delta);
        this.addExtra(keptOf(part.providerMetadata, this.namespace));
        break;
      case 'reasoning-start':
        this.thinking = '';
        this.addHiddenThought(part.providerMetadata);
        break;
      case 'reasoning-delta':
        this.thinking += part.delta;
        this.addText('reasoning_content', part.delta);
        this.addThought(keptOf(part.providerMetadata, this.namespace));
        break;
      case 'tool-input-start':
        if (part.providerExecuted !== true) this.beginCall(part.id, part.toolName, '', part.providerMetadata);
        break;
      case 'tool-input-delta':
        this.addArguments(part.id, part.delta);
        break;
      case 'tool-call':
        if (part.providerExecuted === true) break;
        if (this.openCalls.has(part.toolCallId)) {
          this.addWholeArguments(part.toolCallId, part.input);
          this.addCallsExtra(part.toolCallId, part.providerMetadata);
        } else this.beginCall(part.toolCallId, part.toolName, part.input, part.providerMetadata);
        this.endCall(part.toolCallId);
        break;
      default:
        break;
    }
  }

  finish(raw: string | undefined, reason: FinishReason, counts: TokenCounts | null, envelope: Envelope): void {
    const refusal = this.saidText ? null : refusalOf({ unified: 'content-filter', raw }, null);
    if (refusal !== null) this.addDelta(JSON.stringify({ refusal }));
    this.addDelta('{}', JSON.stringify(reason));
    if (this.includeUsage && counts !== null) {
      const { id, created, model } = envelope;
      const chunk = { id, object: 'chat.completion.chunk', created, model, choices: [], usage: usageObjectOf(counts) };
      this.events += `data: ${JSON.stringify(chunk)}\n\n`;
    }
    this.events += DONE;
  }

  private addText(field: 'content' | 'reasoning_content', delta: string): void {
    if (delta === '') return;
    if (this.textField !== field) this.endText();
    this.textField = field;
    this.text += delta;
  }

  private endText(): void {
    const { text } = this;
    if (text === '') return;
    this.text = '';
    if (this.textField === 'content') this.saidText = true;
    this.addDelta(`{"${this.textField}":${JSON.stringify(text)}}`);
  }

  /** A thought that the provider keeps to itself has no text, and is whole from its beginning. */
  private addHiddenThought(metadata: Metadata | undefined): void {
    const kept = keptOf(metadata, this.namespace);
    if (kept !== null && ('redacted_data' in kept || 'redacted_content' in kept)) this.addThought(kept);
  }

  private addThought(kept: Record<string, JSONValue> | null): void {
    if (kept === null) return;
    this.addExtra({ thinking: [{ ...(this.thinking === '' ? {} : { text: this.thinking }), ...kept }] });
  }

  private addExtra(kept: Record<string, unknown> | null): void {
    if (kept !== null) this.addDelta(JSON.stringify(extraContent(kept, this.namespace)));
  }

  private beginCall(id: string, name: string, input: string, metadata: Metadata | undefined): void {
    const index = this.calls++;
    const call = { index, hasArguments: input !== '' };
    const open = this.openCalls.get(id);
    if (open === undefined) this.openCalls.set(id, [call]);
    else open.push(call);
    this.hasToolCalls = true;
    const said = { index, id: this.callIds.distinct(id), type: 'function', function: { name, arguments: input } };
    this.addDelta(
      JSON.stringify({ tool_calls: [{ ...said, ...extraContent(keptOf(metadata, this.namespace), this.namespace) }] }),
    );
  }

  private endCall(id: string): void {
    const open = this.openCalls.get(id);
    open?.pop();
    if (open?.length === 0) this.openCalls.delete(id);
  }

  private addArguments(id: string, delta: string): void {
    const call = this.openCalls.get(id)?.at(-1);
    if (call === undefined || delta === '') return;
    call.hasArguments = true;
    this.addDelta(`{"tool_calls":[{"index":${call.index},"function":{"arguments":${JSON.stringify(delta)}}}]}`);
  }

  /** A call without arguments has no pieces of them, and clients parse what they got as JSON. */
  private addWholeArguments(id: string, input: string): void {
    if (this.openCalls.get(id)?.at(-1)?.hasArguments === false) this.addArguments(id, input === '' ? '{}' : input);
  }

  /** A signature that comes with the whole call, after its beginning went out. */
  private addCallsExtra(id: string, metadata: Metadata | undefined): void {
    const index = this.openCalls.get(id)?.at(-1)?.index;
    const kept = keptOf(metadata, this.namespace);
    if (index === undefined || kept === null) return;
    this.addDelta(JSON.stringify({ tool_calls: [{ index, ...extraContent(kept, this.namespace) }] }));
  }

  private addDelta(delta: string, finishReason = 'null'): void {
    this.endText();
    let said = delta;
    if (!this.begun) {
      this.begun = true;
      said = delta === '{}' ? '{"role":"assistant"}' : `{"role":"assistant",${delta.slice(1)}`;
    }
    this.events += `${this.head}${said},"logprobs":null,"finish_reason":${finishReason}${this.tail}`;
  }
}
