/** What the bytes of an answer are, whatever its media type says. */
import { parseBounded } from '../../../platform/json/index.js';
import { isObject } from '../requests/chat-request.js';

/** How server-sent events begin. */
const FIRST_EVENT = /^(?:data|event|id|retry)?:/;
const OPENING_BRACE = 0x7b;
const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d]);
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** The bytes from the first one on that says something. */
export function withoutBlank(bytes: Buffer): Buffer {
  let at = BYTE_ORDER_MARK.equals(bytes.subarray(0, BYTE_ORDER_MARK.length)) ? BYTE_ORDER_MARK.length : 0;
  while (at < bytes.length && BLANK.has(bytes[at] as number)) at += 1;
  return at === 0 ? bytes : bytes.subarray(at);
}

export function isEvents(bytes: Buffer): boolean {
  return FIRST_EVENT.test(withoutBlank(bytes).toString('latin1', 0, 64));
}

export function isObjectText(bytes: Buffer): boolean {
  return bytes[0] === OPENING_BRACE;
}

export function isObjectsEnd(bytes: Buffer): boolean {
  return bytes
    .toString('latin1', Math.max(0, bytes.length - 64))
    .trimEnd()
    .endsWith('}');
}

/** A stream of so many pieces is put together in a moment; one of 65,536 tokens has fewer. */
const MOST_MARKS = 1_000_000;
const COMMA = 44;
const BRACKET = 91;
const BRACE = 123;

/** Whether a stream holds no more than can be put together at once. */
export function isGatherable(events: Buffer): boolean {
  let marks = 0;
  for (const byte of events) if (byte === COMMA || byte === BRACKET || byte === BRACE) marks += 1;
  return marks <= MOST_MARKS;
}

/** Null: it is none, or holds too much. A parser's own message quotes what it read, so that nothing of it is kept. */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value = parseBounded(withoutBlank(body).toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
