import { randomBytes } from 'node:crypto';
import { isObject } from '../requests/chat-request.js';
import { merged } from './extra-content.js';
import type { EventTaker } from './response-events.js';

type Fields = Readonly<Record<string, unknown>>;

/** An item of the output while it grows. */
interface Item {
  readonly index: number;
  readonly id: string;
  readonly kind: 'message' | 'reasoning' | 'function_call';
  /** Of a message: texts and refusals in their order. */
  readonly parts: { readonly kind: 'output_text' | 'refusal'; said: string; readonly annotations: Fields[] }[];
  said: string;
  name: string;
  callId: string;
  /** What the provider wants to see again with it. */
  extra: Fields | null;
  isDone: boolean;
}

export function newId(kind: string): string {
  return `${kind}_${randomBytes(24).toString('hex')}`;
}

/**
 * The output of a response, put together of what a chat model says piece by piece. Each piece is an event, as OpenAI's own
 * stream has them: an item is added, grows, and is done; calls of functions that grow side by side are done at the end.
 */
export class ResponseOutput {
  private readonly items: Item[] = [];
  private readonly calls = new Map<number, Item>();
  /** The message or the reasoning that grows. */
  private open: Item | null = null;

  constructor(private readonly events: EventTaker) {}

  /** Whether anything was said. */
  get isEmpty(): boolean {
    return this.items.length === 0;
  }

  addReasoning(piece: string): void {
    const item = this.openItem('reasoning');
    const at = { ...placeOf(item), summary_index: 0 };
    if (item.said === '')
      this.events.add('response.reasoning_summary_part.added', { ...at, part: { type: 'summary_text', text: '' } });
    item.said += piece;
    this.events.add('response.reasoning_summary_text.delta', { ...at, delta: piece });
  }

  /** Signatures of what was thought; a thought that the provider keeps to itself is an item without a summary. */
  addThoughts(extra: Fields): void {
    const item = this.openItem('reasoning');
    item.extra = merged(item.extra, extra);
  }

  /** What belongs to the text that was said last. */
  addToMessage(extra: Fields): void {
    const item = this.open?.kind === 'message' ? this.open : this.items.findLast(({ kind }) => kind === 'message');
    if (item !== undefined) item.extra = merged(item.extra, extra);
  }

  addText(kind: 'output_text' | 'refusal', piece: string): void {
    const item = this.openItem('message');
    let part = item.parts.at(-1);
    if (part?.kind !== kind) {
      if (part !== undefined) this.endPart(item);
      part = { kind, said: '', annotations: [] };
      item.parts.push(part);
      this.events.add('response.content_part.added', { ...placeOfPart(item), part: partOf(part) });
    }
    part.said += piece;
    if (piece === '') return;
    const extra = kind === 'output_text' ? { logprobs: [] } : {};
    this.events.add(`response.${kind}.delta`, { ...placeOfPart(item), delta: piece, ...extra });
  }

  /** Sources that the text names; of chat's kinds of them a response has `url_citation`. */
  addAnnotation(annotation: unknown): void {
    const part = this.open?.parts.at(-1);
    if (this.open === null || part?.kind !== 'output_text' || !isObject(annotation)) return;
    const { type, url_citation: cited } = annotation;
    if (type !== 'url_citation' || !isObject(cited)) return;
    const told = { type, ...cited };
    const at = { ...placeOfPart(this.open), annotation_index: part.annotations.length };
    part.annotations.push(told);
    this.events.add('response.output_text.annotation.added', { ...at, annotation: told });
  }

  /** @param place which of the calls grows */
  addCall(
    place: number,
    call: { readonly id?: unknown; readonly name?: unknown; readonly arguments?: unknown },
    extra?: unknown,
  ): void {
    let item = this.calls.get(place);
    if (item === undefined) {
      this.endOpen();
      item = this.newItem('function_call');
      item.callId = typeof call.id === 'string' && call.id !== '' ? call.id : newId('call');
      item.name = typeof call.name === 'string' ? call.name : '';
      this.calls.set(place, item);
      if (isObject(extra)) item.extra = merged(item.extra, extra);
      this.addEvent('added', item, 'in_progress');
    } else {
      if (item.name === '' && typeof call.name === 'string') item.name = call.name;
      if (isObject(extra)) item.extra = merged(item.extra, extra);
    }
    const { arguments: piece } = call;
    if (typeof piece !== 'string' || piece === '') return;
    item.said += piece;
    this.events.add('response.function_call_arguments.delta', { ...placeOf(item), delta: piece });
  }

  /**
   * Nothing more comes.
   *
   * @returns the whole output
   */
  end(status: 'completed' | 'incomplete'): readonly Fields[] {
    this.endOpen(status);
    for (const item of this.calls.values()) this.endItem(item, status);
    return this.items.map((item) => rendered(item, status));
  }

  private openItem(kind: 'message' | 'reasoning'): Item {
    if (this.open?.kind === kind) return this.open;
    this.endOpen();
    this.open = this.newItem(kind);
    this.addEvent('added', this.open, 'in_progress');
    return this.open;
  }

  private newItem(kind: Item['kind']): Item {
    const id = newId(PREFIXES[kind]);
    const item = {
      index: this.items.length,
      id,
      kind,
      parts: [],
      said: '',
      name: '',
      callId: '',
      extra: null,
      isDone: false,
    };
    this.items.push(item);
    return item;
  }

  private endOpen(status: 'completed' | 'incomplete' = 'completed'): void {
    if (this.open !== null) this.endItem(this.open, status);
    this.open = null;
  }

  private endItem(item: Item, status: string): void {
    if (item.isDone) return;
    item.isDone = true;
    if (item.kind === 'message') this.endPart(item);
    if (item.kind === 'function_call')
      this.events.add('response.function_call_arguments.done', {
        ...placeOf(item),
        name: item.name,
        arguments: item.said,
      });
    if (item.kind === 'reasoning' && item.said !== '') {
      const at = { ...placeOf(item), summary_index: 0 };
      this.events.add('response.reasoning_summary_text.done', { ...at, text: item.said });
      this.events.add('response.reasoning_summary_part.done', { ...at, part: summaryOf(item) });
    }
    this.addEvent('done', item, status);
  }

  private endPart(item: Item): void {
    const part = item.parts.at(-1);
    if (part === undefined) return;
    const at = placeOfPart(item);
    if (part.kind === 'output_text')
      this.events.add('response.output_text.done', { ...at, text: part.said, logprobs: [] });
    else this.events.add('response.refusal.done', { ...at, refusal: part.said });
    this.events.add('response.content_part.done', { ...at, part: partOf(part) });
  }

  private addEvent(what: 'added' | 'done', item: Item, status: string): void {
    this.events.add(`response.output_item.${what}`, { output_index: item.index, item: rendered(item, status) });
  }
}

const PREFIXES = { message: 'msg', reasoning: 'rs', function_call: 'fc' } as const;

function placeOf({ id, index }: Item): Fields {
  return { item_id: id, output_index: index };
}

function placeOfPart(item: Item): Fields {
  return { ...placeOf(item), content_index: item.parts.length - 1 };
}

function partOf({ kind, said, annotations }: Item['parts'][number]): Fields {
  return kind === 'refusal'
    ? { type: kind, refusal: said }
    : { type: kind, text: said, annotations: [...annotations], logprobs: [] };
}

function summaryOf({ said }: Item): Fields {
  return { type: 'summary_text', text: said };
}

function rendered(item: Item, status: string): Fields {
  const { extra } = item;
  return { ...renderedBare(item, status), ...(extra === null ? {} : { extra_content: extra }) };
}

function renderedBare(item: Item, status: string): Fields {
  const { id, kind } = item;
  switch (kind) {
    case 'message':
      return { id, type: kind, status, role: 'assistant', content: item.parts.map(partOf) };
    case 'reasoning':
      return { id, type: kind, summary: item.said === '' ? [] : [summaryOf(item)] };
    case 'function_call':
      return { id, type: kind, status, call_id: item.callId, name: item.name, arguments: item.said };
  }
}
