import type { EventToWrite } from '../openai/event-steps.js';
import { isObject } from '../requests/chat-request.js';

type Fields = Readonly<Record<string, unknown>>;

/** Takes the events of one response in their order. */
export interface EventTaker {
  add(type: string, fields: Fields): void;
}

/** Of a response that is told as a whole: each event would repeat its texts. */
export const NO_EVENTS: EventTaker = { add: () => undefined };

/** Numbers the events, and keeps them until they are written. */
export class NumberedEvents implements EventTaker {
  private number = 0;
  private added: EventToWrite[] = [];

  add(type: string, fields: Fields): void {
    this.added.push({ name: type, data: { type, sequence_number: this.number, ...fields } });
    this.number += 1;
  }

  /** What was added since the last time. */
  take(): readonly EventToWrite[] {
    const { added } = this;
    this.added = [];
    return added;
  }
}

/** A whole response as a stream: each item comes whole, in one piece. */
export function eventsOfResponse(response: Fields): readonly EventToWrite[] {
  const events = new NumberedEvents();
  const begun = { ...response, status: 'in_progress', output: [], usage: null, incomplete_details: null };
  events.add('response.created', { response: begun });
  events.add('response.in_progress', { response: begun });
  const output: readonly unknown[] = Array.isArray(response['output']) ? response['output'] : [];
  for (const [index, item] of output.entries()) if (isObject(item)) addItem(events, index, item);
  const { status } = response;
  events.add(status === 'incomplete' || status === 'failed' ? `response.${status}` : 'response.completed', {
    response,
  });
  return events.take();
}

function addItem(events: NumberedEvents, index: number, item: Fields): void {
  const at = { output_index: index };
  const inItem = { item_id: item['id'], ...at };
  const empty =
    item['type'] === 'message'
      ? { content: [] }
      : item['type'] === 'function_call'
        ? { arguments: '' }
        : item['type'] === 'reasoning'
          ? { summary: [] }
          : {};
  events.add('response.output_item.added', { ...at, item: { ...item, status: 'in_progress', ...empty } });
  if (item['type'] === 'message') addContent(events, inItem, item['content']);
  if (item['type'] === 'function_call') {
    const { arguments: said = '', name } = item;
    events.add('response.function_call_arguments.delta', { ...inItem, delta: said });
    events.add('response.function_call_arguments.done', { ...inItem, name, arguments: said });
  }
  events.add('response.output_item.done', { ...at, item });
}

function addContent(events: NumberedEvents, inItem: Fields, content: unknown): void {
  const parts: readonly unknown[] = Array.isArray(content) ? content : [];
  for (const [index, part] of parts.entries()) {
    if (!isObject(part)) continue;
    const at = { ...inItem, content_index: index };
    const isText = part['type'] === 'output_text';
    events.add('response.content_part.added', {
      ...at,
      part: { ...part, ...(isText ? { text: '' } : { refusal: '' }) },
    });
    if (isText) {
      events.add('response.output_text.delta', { ...at, delta: part['text'], logprobs: [] });
      events.add('response.output_text.done', { ...at, text: part['text'], logprobs: [] });
    } else {
      events.add('response.refusal.delta', { ...at, delta: part['refusal'] });
      events.add('response.refusal.done', { ...at, refusal: part['refusal'] });
    }
    events.add('response.content_part.done', { ...at, part });
  }
}
