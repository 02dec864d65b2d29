import type { z } from 'zod';
import { Fault, type FieldFault } from '../errors/index.js';
import { type JsonObject, parseJson, parseJsonObject, refuseRepeatedFields } from '../json/index.js';
import { whyNotStorable, wholeNumber } from './protojson-scalars.js';
import { fieldOf, shapeOf, type MessageField, type MessageShape, type Shape } from './protojson-shape.js';

/**
 * The platform surface's JSON: Protocol Buffers' JSON mapping, at the edge. Services never see it.
 *
 * Requests: a field is in lowerCamelCase or snake_case, not in both; `null` means absent, and is not allowed in lists; an
 * unknown field is refused by name, and its value is never read. Answers: see protojson-answer.ts.
 */

/** Far deeper than any of our messages; a deeper one would only exhaust the stack. */
const MAX_DEPTH = 32;
/** Longer than any of our lists; in a longer one, each entry could be an issue of its own. */
export const MAX_ITEMS = 10_000;
/**
 * An answer to a bad request stays small, whatever was sent: it lists at most so many faults, with names of
 * at most so many characters.
 */
const MAX_FAULTS = 10;
const MAX_NAME_LENGTH = 100;
const MAX_PATH_LENGTH = 300;
/** A larger text is not parsed a second time for a number that should have been a string. */
const MAX_REPARSED_LENGTH = 100_000;

/** The caller's spelling of each field that differs from the schema's, by its path in lowerCamelCase. */
export type Spellings = Map<string, string>;

/**
 * Reads a request message.
 *
 * @param body its bytes, or the result of `parseMessage`
 * @param schema a Zod object in lowerCamelCase; unknown fields are refused, strict or not
 * @param spellings filled with the caller's spelling of each field
 * @throws Fault invalid_input with the fields at fault, each in the caller's spelling
 */
export function readMessage<T>(body: Buffer | JsonObject, schema: z.ZodType<T>, spellings: Spellings = new Map()): T {
  const { text, value } = !Buffer.isBuffer(body) ? body : body.length === 0 ? { text: '', value: {} } : parseBody(body);
  let reader = new MessageReader(spellings, null);
  let parsed = schema.safeParse(reader.read(value, schema), { error: reasonOf });
  if (!parsed.success && text.length <= MAX_REPARSED_LENGTH && reader.onlyRounded(parsed.error.issues)) {
    const { root, exact } = parseLiterals(text);
    reader = new MessageReader(spellings, exact);
    parsed = schema.safeParse(reader.read(root, schema), { error: reasonOf });
  }
  if (!parsed.success) reader.addIssues(parsed.error.issues);
  reader.faults.throwIfAny();
  // Any fault was thrown above, so that the parse succeeded.
  return (parsed as z.ZodSafeParseSuccess<T>).data;
}

function parseBody(body: Buffer): JsonObject {
  try {
    const object = parseJsonObject(body);
    refuseRepeatedFields(object.text);
    return object;
  } catch (error) {
    throw shownSafely(error);
  }
}

/** Parses a message in the given way instead of at once, with the same errors as `readMessage`. */
export async function parseMessage(parse: () => Promise<JsonObject>): Promise<JsonObject> {
  try {
    const object = await parse();
    refuseRepeatedFields(object.text);
    return object;
  } catch (error) {
    throw shownSafely(error);
  }
}

function shownSafely(error: unknown): unknown {
  return error instanceof Fault && error.fields.length > 0 ? withShownNames(error) : error;
}

function withShownNames({ fields }: Fault): Fault {
  const faults = new FaultList();
  for (const { field, reason } of fields) faults.add(shown(field), reason);
  return faults.toFault();
}

/** The caller's name of a field, shortened and without control characters, for logs and terminals. */
function shown(name: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is taken out
  return cutTo(MAX_NAME_LENGTH, name).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}

function cutTo(length: number, name: string): string {
  return (name.length > length ? `${name.slice(0, length - 1)}…` : name).toWellFormed();
}

type ExactNumbers = ReadonlyMap<object, ReadonlySet<string>>;

/**
 * Parses a text again and notes the whole numbers beyond 2^53 whose literal is exact, by their object or list and their key
 * there. The text must be no deeper than a schema allows, since a reviver recurses.
 */
function parseLiterals(text: string): { root: unknown; exact: ExactNumbers } {
  const exact = new Map<object, Set<string>>();
  const root = parseJson(text, (holder, key, value, source) => {
    if (!Number.isInteger(value) || Number.isSafeInteger(value)) return;
    if (wholeNumber(source) === BigInt(value)) exact.set(holder, (exact.get(holder) ?? new Set()).add(key));
  });
  return { root, exact };
}

/** The faults of one request: the first few in full, the others as a number. */
class FaultList {
  private readonly faults = new Map<string, FieldFault>();
  private untold = 0;

  /** Keeps the first reason for each field. */
  add(field: string, reason: string): void {
    if (this.faults.has(field)) return;
    if (this.faults.size < MAX_FAULTS) this.faults.set(field, { field: cutTo(MAX_PATH_LENGTH, field), reason });
    else this.untold += 1;
  }

  /** Further faults are only counted, which saves wording them. */
  get isFull(): boolean {
    return this.faults.size >= MAX_FAULTS;
  }

  count(): void {
    this.untold += 1;
  }

  get isEmpty(): boolean {
    return this.faults.size === 0;
  }

  throwIfAny(): void {
    if (!this.isEmpty) throw this.toFault();
  }

  toFault(): Fault {
    const fields = [...this.faults.values()];
    const reasons = fields.map(({ field, reason }) => (field === '' ? reason : `${field}: ${reason}`));
    if (this.untold > 0) reasons.push(`and ${this.untold} more`);
    return new Fault('invalid_input', reasons.join('; '), { fields });
  }
}

type ListShape = Extract<Shape, { readonly kind: 'list' }>;

/** The place of a value, in the schema's names and in the caller's spelling. */
interface Place {
  readonly path: string;
  readonly spelled: string;
  readonly depth: number;
}

/** Turns parsed JSON into the schema's input: known fields in lowerCamelCase, without nulls. */
class MessageReader {
  readonly faults = new FaultList();
  /** The int64 fields with a number that may have been rounded: only the literal tells. */
  private readonly roundedPaths = new Set<string>();
  private readonly refusedPaths = new Set<string>();

  constructor(
    private readonly spellings: Spellings,
    private readonly exact: ExactNumbers | null,
  ) {}

  read(root: unknown, schema: z.core.$ZodType): unknown {
    return this.value({ root }, 'root', shapeOf(schema), { path: '', spelled: '', depth: 0 });
  }

  /** Whether the only faults are numbers whose literals have not been checked yet. */
  onlyRounded(issues: readonly z.core.$ZodIssue[]): boolean {
    return this.faults.isEmpty && issues.every(({ path }) => this.roundedPaths.has(path.map(String).join('.')));
  }

  /** Adds the schema's faults, except for fields that the reader has already refused. */
  addIssues(issues: readonly z.core.$ZodIssue[]): void {
    for (const issue of issues) {
      const path = issue.path.map(String).join('.');
      if (this.refusedPaths.has(path)) continue;
      const spelled = this.spellings.get(path) ?? path;
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys) this.faults.add(this.spellings.get(join(path, key)) ?? join(path, key), UNKNOWN);
      } else this.faults.add(spelled, issue.message);
    }
  }

  private value(holder: object, key: string, shape: Shape, place: Place): unknown {
    const value = (holder as Record<string, unknown>)[key];
    if (place.spelled !== place.path) this.spellings.set(place.path, place.spelled);
    if (shape.kind === 'int64') return this.int64(holder, key, place);
    if (typeof value !== 'object' || value === null) return shape.kind === 'free' ? this.free(value, place) : value;
    if (shape.kind === 'scalar') return value;
    if (place.depth > MAX_DEPTH) throw this.tooDeep(place);
    if (shape.kind === 'free') return this.free(value, place);
    // The schema refuses a list in the place of a message, and a message in the place of a list.
    if (Array.isArray(value)) return shape.kind === 'list' ? this.list(value, shape, place) : value;
    if (shape.kind === 'list') return value;
    return this.message(value, shape, place);
  }

  private message(value: object, shape: MessageShape, place: Place): unknown {
    const message: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    const seen = new Set<MessageField>();
    for (const key of Object.keys(value)) {
      const field = fieldOf(shape, key);
      if (field === undefined) {
        if (this.faults.isFull) this.faults.count();
        else this.faults.add(join(place.spelled, shown(key)), UNKNOWN);
        continue;
      }
      const at = below(place, field.name, key);
      if (seen.has(field)) this.faults.add(at.spelled, 'is sent twice, in two spellings');
      else if (!isNull(value, key)) message[field.name] = this.value(value, key, shapeOf(field.schema), at);
      seen.add(field);
    }
    return message;
  }

  private list(items: readonly unknown[], { item, maxItems }: ListShape, place: Place): unknown {
    const most = Math.min(maxItems, MAX_ITEMS);
    if (items.length > most) return this.refuse(place, `must have at most ${most} items`);
    const shape = shapeOf(item);
    return items.map((one, index) => {
      const at = below(place, String(index));
      return one === null ? this.refuse(at, NO_NULL) : this.value(items, String(index), shape, at);
    });
  }

  /** Free-form JSON stays as it is, with its nulls, if it can be stored. */
  private free(value: unknown, place: Place): unknown {
    if (typeof value === 'string') {
      const reason = whyNotStorable(value);
      return reason === null ? value : this.refuse(place, reason);
    }
    if (typeof value !== 'object' || value === null) return value;
    if (place.depth > MAX_DEPTH) throw this.tooDeep(place);
    for (const [key, item] of Object.entries(value)) {
      const at = below(place, key);
      const reason = whyNotStorable(key);
      if (reason !== null) this.refuse(at, `as a name ${reason}`);
      else this.free(item, at);
    }
    return value;
  }

  private int64(holder: object, key: string, { path }: Place): unknown {
    const value = (holder as Record<string, unknown>)[key];
    if (typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value)) return value;
    if (this.exact?.get(holder)?.has(key) === true) return BigInt(value);
    this.roundedPaths.add(path);
    return value;
  }

  /** Reported at once and alone: a schema that reads it to the bottom would run out of stack. */
  private tooDeep({ spelled }: Place): Fault {
    this.faults.add(spelled, `is nested deeper than ${MAX_DEPTH} levels`);
    return this.faults.toFault();
  }

  private refuse({ path, spelled }: Place, reason: string): undefined {
    this.refusedPaths.add(path);
    this.faults.add(spelled, reason);
    return undefined;
  }
}

const UNKNOWN = 'is not a field of this request';
const NO_NULL = 'must not be null';

function isNull(holder: object, key: string): boolean {
  return (holder as Record<string, unknown>)[key] === null;
}

function below({ path, spelled, depth }: Place, name: string, key = name): Place {
  return { path: join(path, name), spelled: join(spelled, shown(key)), depth: depth + 1 };
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'must be an object',
  array: 'must be a list',
  string: 'must be a string',
  number: 'must be a number',
  int: 'must be a whole number',
  boolean: 'must be true or false',
};

/** Our words, where a schema has none of its own. */
export const reasonOf: z.core.$ZodErrorMap = (issue) => {
  if (issue.input === undefined) return 'is required';
  if (issue.code === 'invalid_type') return EXPECTED[issue.expected];
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  return undefined;
};
