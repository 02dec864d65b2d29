import { isObject } from '../requests/chat-request.js';

type Fields = Readonly<Record<string, unknown>>;

/** Takes the events of one response in their order. */
export interface EventTaker {
  add(type: string, fields: Fields): void;
}

/** Of a response that is told as a whole: each event would repeat its texts. */
export const NO_EVENTS: EventTaker = { add: () => undefined };

/** Writes the events, each with its number. */
export class EventWriter implements EventTaker {
  private number = 0;
  private pieces: string[] = [];

  add(type: string, fields: Fields): void {
    const data = JSON.stringify({ type, sequence_number: this.number, ...fields });
    this.number += 1;
    this.pieces.push(`event: ${type}\ndata: ${data}\n\n`);
  }

  /** What was added since the last time. */
  take(): Buffer {
    const bytes = Buffer.from(this.pieces.join(''));
    this.pieces = [];
    return bytes;
  }
}

/** A whole response as a stream: each item comes whole, in one piece. */
export function eventsOfResponse(response: Fields): Buffer {
  const writer = new EventWriter();
  const begun = { ...response, status: 'in_progress', output: [], usage: null, incomplete_details: null };
  writer.add('response.created', { response: begun });
  writer.add('response.in_progress', { response: begun });
  const output: readonly unknown[] = Array.isArray(response['output']) ? response['output'] : [];
  for (const [index, item] of output.entries()) if (isObject(item)) addItem(writer, index, item);
  const { status } = response;
  writer.add(status === 'incomplete' || status === 'failed' ? `response.${status}` : 'response.completed', {
    response,
  });
  return writer.take();
}

function addItem(writer: EventWriter, index: number, item: Fields): void {
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
  writer.add('response.output_item.added', { ...at, item: { ...item, status: 'in_progress', ...empty } });
  if (item['type'] === 'message') addContent(writer, inItem, item['content']);
  if (item['type'] === 'function_call') {
    const { arguments: said = '', name } = item;
    writer.add('response.function_call_arguments.delta', { ...inItem, delta: said });
    writer.add('response.function_call_arguments.done', { ...inItem, name, arguments: said });
  }
  writer.add('response.output_item.done', { ...at, item });
}

function addContent(writer: EventWriter, inItem: Fields, content: unknown): void {
  const parts: readonly unknown[] = Array.isArray(content) ? content : [];
  for (const [index, part] of parts.entries()) {
    if (!isObject(part)) continue;
    const at = { ...inItem, content_index: index };
    const isText = part['type'] === 'output_text';
    writer.add('response.content_part.added', {
      ...at,
      part: { ...part, ...(isText ? { text: '' } : { refusal: '' }) },
    });
    if (isText) {
      writer.add('response.output_text.delta', { ...at, delta: part['text'], logprobs: [] });
      writer.add('response.output_text.done', { ...at, text: part['text'], logprobs: [] });
    } else {
      writer.add('response.refusal.delta', { ...at, delta: part['refusal'] });
      writer.add('response.refusal.done', { ...at, refusal: part['refusal'] });
    }
    writer.add('response.content_part.done', { ...at, part });
  }
}
