/** What the bytes of an answer are, whatever its media type says. */
import {
  isBoundedSteps,
  parseJson,
  parseSteps,
  withoutByteOrderMark,
  type Steps,
  type JsonBounds,
} from '../../../platform/json/index.js';
import { isObject } from '../requests/chat-request.js';

/** A longer answer is passed on unread, but for what it reports: to parse more takes a turn that every other call waits for. */
export const PARSED_BYTES = 8 * 1024 * 1024;
/** A longer answer is read, and longer events are written, step by step. */
export const SMALL_BYTES = 64 * 1024;
/** How server-sent events begin. */
const FIRST_EVENT = /^(?:data|event|id|retry)?:/;
const OPENING_BRACE = 0x7b;
const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** The bytes from the first one on that says something. */
export function withoutBlank(bytes: Buffer): Buffer {
  if (bytes[0] === OPENING_BRACE) return bytes;
  const text = withoutByteOrderMark(bytes);
  let at = 0;
  while (at < text.length && BLANK.has(text[at] as number)) at += 1;
  return at === 0 ? text : text.subarray(at);
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

/** 1 for each byte that begins something in JSON; within strings some count that begin nothing. */
export const COUNTED_MARKS = new Uint8Array(256);
for (const mark of ',[{') COUNTED_MARKS[mark.charCodeAt(0)] = 1;

/** Null: it is not JSON, or larger than what is parsed. */
export function objectIn(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value = parseJson(withoutBlank(body).toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** The same in steps, for a large answer. 'too much': it holds more than the bounds of a body. */
export function* objectSteps(
  body: Buffer,
  bounds?: JsonBounds,
): Steps<Readonly<Record<string, unknown>> | 'too much' | null> {
  const said = withoutBlank(body);
  if (!(yield* isBoundedSteps(said, bounds))) return 'too much';
  try {
    const value = yield* parseSteps(said.toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
