import type { TextShortcut } from '../bridge/dialect.js';
import type { EventMender } from '../bridge/event-mender.js';
import { parseBounded } from '../../../platform/json/index.js';
import { isObject } from '../requests/chat-request.js';

const CARRIAGE_RETURN = 13;
const EMPTY = Buffer.alloc(0);
const END_OF_EVENT = '\n\n';
const PING = 'event: ping\n';
const PREFIX = 'event: content_block_';
const DATA = '\ndata: ';
/** A longer event can't be a piece of text. */
const MAX_EVENT_BYTES = 1024 * 1024;

/**
 * Takes the pieces of text in a stream of the Messages API past the package, whose way from bytes to a piece of text costs
 * several times what the rest of a call does. The package reads everything else, and says when a block of text begins:
 * until then its pieces are held. What is not just as documented is the package's to judge.
 */
export class TextDeltas implements TextShortcut {
  /** Of an event whose end has not come. */
  private rest: Buffer = EMPTY;
  /** The block of text that the package was told of last, and of nothing else since. */
  private block: number | null = null;
  /** The package has said that it begins. */
  private isOpen = false;
  private held = '';
  private isOff = false;

  constructor(
    private readonly onText: (text: string) => void,
    /** Makes events that are not pieces of content such as the package takes. */
    private readonly mender: EventMender | null = null,
  ) {}

  take(chunk: Buffer): Buffer | null {
    if (this.isOff) return this.passed(chunk);
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    // A stream may end its lines otherwise; none of the API's does.
    if (chunk.includes(CARRIAGE_RETURN) || bytes.length > MAX_EVENT_BYTES) {
      this.isOff = true;
      this.rest = EMPTY;
      return this.passed(Buffer.concat([Buffer.from(this.heldEvent()), bytes]));
    }
    const last = bytes.lastIndexOf(END_OF_EVENT);
    const whole = last === -1 ? 0 : last + END_OF_EVENT.length;
    this.rest = whole === bytes.length ? EMPTY : bytes.subarray(whole);
    const left = whole === 0 ? '' : this.takeEvents(bytes.toString('utf8', 0, whole));
    return left === '' ? null : Buffer.from(left);
  }

  begin(id: string): void {
    if (this.block === null || id !== String(this.block)) return;
    this.isOpen = true;
    const { held } = this;
    this.held = '';
    if (held !== '') this.onText(held);
  }

  end(): Buffer | null {
    const left = Buffer.concat([Buffer.from(this.heldEvent()), this.rest]);
    this.rest = EMPTY;
    if (this.isOff) return this.mender?.end() ?? null;
    return left.length === 0 ? null : left;
  }

  /** What is no longer read here. */
  private passed(bytes: Buffer): Buffer | null {
    return this.mender === null ? bytes : this.mender.take(bytes);
  }

  /** @returns those that are left for the package */
  private takeEvents(text: string): string {
    let left = '';
    for (let at = 0; at < text.length;) {
      const next = text.indexOf(END_OF_EVENT, at) + END_OF_EVENT.length;
      left += this.takeEvent(text.slice(at, next));
      at = next;
    }
    return left;
  }

  private takeEvent(event: string): string {
    if (event.startsWith(PING)) return '';
    const value = event.startsWith(PREFIX) ? dataOf(event) : null;
    const { type, index } = value ?? {};
    if (type === 'content_block_delta' && typeof index === 'number' && index === this.block) {
      const text = textOf(value?.['delta']);
      if (text !== null) {
        if (this.isOpen) this.onText(text);
        else this.held += text;
        return '';
      }
    }
    const left = this.heldEvent() + (value === null && this.mender !== null ? this.mender.mendedEvent(event) : event);
    this.isOpen = false;
    const begins = type === 'content_block_start' && typeof index === 'number' && isText(value?.['content_block']);
    this.block = begins ? index : null;
    return left;
  }

  /** What was held for a block whose beginning the package has not told, as the package reads it. */
  private heldEvent(): string {
    const { held, block } = this;
    if (held === '') return '';
    this.held = '';
    const delta = { type: 'text_delta', text: held };
    const data = JSON.stringify({ type: 'content_block_delta', index: block, delta });
    return `event: content_block_delta${DATA}${data}${END_OF_EVENT}`;
  }
}

/** The JSON of an event of two lines; null: it has another form. */
function dataOf(event: string): Readonly<Record<string, unknown>> | null {
  const from = event.indexOf('\n');
  const data = event.slice(from + DATA.length, -END_OF_EVENT.length);
  if (!event.startsWith(DATA, from) || data.includes('\n')) return null;
  try {
    const value = parseBounded(data);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function textOf(delta: unknown): string | null {
  if (!isObject(delta) || delta['type'] !== 'text_delta') return null;
  return typeof delta['text'] === 'string' ? delta['text'] : null;
}

function isText(block: unknown): boolean {
  return isObject(block) && block['type'] === 'text';
}
