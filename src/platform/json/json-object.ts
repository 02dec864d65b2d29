import { isUtf8 } from 'node:buffer';
import { Fault } from '../errors/index.js';
import { wrongField } from './wrong-field.js';
import { endOfString, endOfValue, endSteps, keyBetween, parseJson, QUOTE, skipSpace, spaceSteps } from './json-text.js';
import { LongNumberError, parseSteps } from './parse-steps.js';
import { allAtOnce, STEP_LENGTH, type Steps } from './steps.js';

/** Where a top-level field's value stands in the text: `[start, end)` in UTF-16 units. */
interface FieldSpan {
  readonly start: number;
  readonly end: number;
}

/** A JSON object as it was sent, with what is needed to change one field and leave every other byte alone. */
export interface JsonObject {
  /** The text in UTF-8. */
  readonly bytes: Buffer;
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly fields: ReadonlyMap<string, FieldSpan>;
}

/**
 * Parses a request body that must be one JSON object in UTF-8. A repeated top-level key is refused: this service and the next
 * reader of the body might each use a different one.
 *
 * @throws Fault invalid_input
 */
export function parseJsonObject(body: Buffer): JsonObject {
  const decoded = decodeJson(body);
  const value = asObject(() => parseJson(decoded.text));
  return { ...decoded, value, fields: allAtOnce(fieldSteps(decoded.text)) };
}

/** The same in steps, for a large body. */
export function* jsonObjectSteps(body: Buffer): Steps<JsonObject> {
  const decoded = decodeJson(body);
  yield;
  const parsing = parseSteps(decoded.text);
  let step = asSyntax(() => parsing.next());
  while (step.done !== true) {
    yield;
    step = asSyntax(() => parsing.next());
  }
  const { value } = step;
  return { ...decoded, value: asObject(() => value), fields: yield* fieldSteps(decoded.text) };
}

/** An object that this service wrote, in the form that parsing its text would give. It must hold JSON values alone. */
export function jsonObjectOf(value: JsonObject['value']): JsonObject {
  const fields = new Map<string, FieldSpan>();
  let text = '{';
  for (const [key, item] of Object.entries(value)) {
    text += `${fields.size === 0 ? '' : ','}${JSON.stringify(key)}:`;
    const start = text.length;
    text += JSON.stringify(item);
    fields.set(key, { start, end: text.length });
  }
  text += '}';
  return { bytes: Buffer.from(text), text, value, fields };
}

interface DecodedJson {
  readonly bytes: Buffer;
  readonly text: string;
}

/** @throws Fault invalid_input: not UTF-8 */
function decodeJson(body: Buffer): DecodedJson {
  if (!isUtf8(body)) throw new Fault('invalid_input', 'The body is not valid UTF-8.');
  // JSON.parse refuses a byte order mark; RFC 8259 lets a parser ignore it.
  const bytes = withoutByteOrderMark(body);
  return { bytes, text: bytes.toString('utf8') };
}

/** @throws Fault invalid_input: not one JSON object */
function asObject(parse: () => unknown): JsonObject['value'] {
  const value = asSyntax(parse);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Fault('invalid_input', 'The body must be a JSON object.');
  }
  return value as JsonObject['value'];
}

/** @throws Fault invalid_input: not JSON */
function asSyntax<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (error instanceof LongNumberError) throw wrongField(error.path.join('.'), 'must be a number with fewer digits');
    throw new Fault('invalid_input', `The body is not valid JSON: ${parserMessage(error)}`);
  }
}

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** The same bytes, but for a mark before them. */
export function withoutByteOrderMark(bytes: Buffer): Buffer {
  if (bytes[0] !== BYTE_ORDER_MARK[0]) return bytes;
  return BYTE_ORDER_MARK.equals(bytes.subarray(0, BYTE_ORDER_MARK.length))
    ? bytes.subarray(BYTE_ORDER_MARK.length)
    : bytes;
}

/** V8 quotes a piece of the text in its message, which may be a prompt: so not even the cause is kept. */
function parserMessage(error: unknown): string {
  const position = /at position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
  return position === undefined ? 'it ends too early or is malformed.' : `malformed at position ${position}.`;
}

/**
 * Finds the top-level fields of a text that JSON.parse accepted as an object, so that it need not check the grammar. A generator
 * for each part would take longer than a short text's parts do.
 */
function* fieldSteps(text: string): Steps<Map<string, FieldSpan>> {
  const fields = new Map<string, FieldSpan>();
  const isShort = text.length <= STEP_LENGTH;
  let at = skipSpace(text, 0) + 1;
  for (;;) {
    at = isShort ? skipSpace(text, at) : yield* spaceSteps(text, at);
    if (text.charCodeAt(at) !== QUOTE) return fields; // the closing brace
    const keyEnd = endOfString(text, at);
    const key = keyBetween(text, at, keyEnd);
    const colon = isShort ? skipSpace(text, keyEnd) : yield* spaceSteps(text, keyEnd);
    const start = isShort ? skipSpace(text, colon + 1) : yield* spaceSteps(text, colon + 1);
    const end = isShort ? endOfValue(text, start) : yield* endSteps(text, start);
    if (fields.has(key)) throw repeated(key);
    fields.set(key, { start, end });
    at = isShort ? skipSpace(text, end) : yield* spaceSteps(text, end);
    if (text.charCodeAt(at) !== 44 /* , */) return fields;
    at += 1;
  }
}

/** The same text with another value in one top-level field; every other character stays as it was sent. */
export function withField(object: JsonObject, field: string, value: unknown): string {
  const { span, inserted } = changeOf(object, field, value);
  return object.text.slice(0, span.start) + inserted + object.text.slice(span.end);
}

/** The text to write, and its place, to set a field. */
function changeOf(
  { text, fields }: JsonObject,
  field: string,
  value: unknown,
): { readonly span: FieldSpan; readonly inserted: string } {
  const json = JSON.stringify(value);
  const span = fields.get(field);
  if (span !== undefined) return { span, inserted: json };
  const afterBrace = skipSpace(text, 0) + 1;
  const separator = fields.size === 0 ? '' : ',';
  return { span: { start: afterBrace, end: afterBrace }, inserted: `${JSON.stringify(field)}:${json}${separator}` };
}

/** The bytes of an object with another text in one place; the text around that place is not read. */
export function withText({ bytes, text }: JsonObject, { start, end }: FieldSpan, inserted: string): Buffer {
  // In ASCII each character is one byte, so that places in the text are places in the bytes.
  const isAscii = bytes.length === text.length;
  const from = isAscii ? start : Buffer.byteLength(text.slice(0, start));
  const to = isAscii ? end : from + Buffer.byteLength(text.slice(start, end));
  return Buffer.concat([bytes.subarray(0, from), Buffer.from(inserted), bytes.subarray(to)]);
}

/** The object that `withField` writes, without parsing it again: only the fields after the change have moved. */
export function replaceField(object: JsonObject, field: string, value: unknown): JsonObject {
  const { span, inserted } = changeOf(object, field, value);
  const text = object.text.slice(0, span.start) + inserted + object.text.slice(span.end);
  const bytes = withText(object, span, inserted);
  const moved = text.length - object.text.length;
  const json = JSON.stringify(value);
  const old = object.fields.get(field);
  const start = old === undefined ? span.start + JSON.stringify(field).length + 1 : span.start;
  const fields = new Map(old === undefined ? [[field, { start, end: start + json.length }]] : []);
  for (const [name, span] of object.fields) {
    if (name === field) fields.set(name, { start, end: start + json.length });
    else if (old !== undefined && span.start < old.start) fields.set(name, span);
    else fields.set(name, { start: span.start + moved, end: span.end + moved });
  }
  return { bytes, text, value: { ...object.value, [field]: parseJson(json) }, fields };
}

/**
 * Refuses a repeated field in any object of a text that JSON.parse accepted, at any depth. JSON.parse
 * silently keeps the last one.
 *
 * @throws Fault invalid_input
 */
export function refuseRepeatedFields(text: string): void {
  const open: { readonly keys: Set<string> | null; key: string }[] = [];
  let wantsKey = false;
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    const inner = open.at(-1);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (wantsKey && inner?.keys) {
        inner.key = keyBetween(text, at, end);
        if (inner.keys.has(inner.key)) throw repeated(pathOf(open));
        inner.keys.add(inner.key);
        wantsKey = false;
      }
      at = end;
      continue;
    }
    if (code === 123 /* { */) open.push({ keys: new Set(), key: '' });
    else if (code === 91 /* [ */) open.push({ keys: null, key: '' });
    else if (code === 125 /* } */ || code === 93 /* ] */) open.pop();
    if (code === 123 || code === 44 /* , */) wantsKey = (open.at(-1)?.keys ?? null) !== null;
    at += 1;
  }
}

function pathOf(open: readonly { readonly keys: Set<string> | null; readonly key: string }[]): string {
  return open.flatMap(({ keys, key }) => (keys === null ? [] : [key])).join('.');
}

function repeated(name: string): Fault {
  return wrongField(name, 'appears twice in the body');
}
