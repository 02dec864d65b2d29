import { invalidField } from '../../platform/errors/index.js';
import { parseJsonObject, type JsonObject } from '../../platform/http/index.js';

/** A chat completion as it was asked for, judged only as far as this service itself depends on it. */
export interface ChatRequest {
  /** The body as it came. */
  readonly raw: Buffer;
  readonly json: JsonObject;
  readonly model: string;
  readonly stream: boolean;
  /** Whether the caller wants the usage chunk at the end of the stream. */
  readonly includeUsage: boolean;
  /** `n`: how many answers. */
  readonly choices: number;
  /** `max_completion_tokens`, else `max_tokens`; null: the provider's own limit. */
  readonly maxOutputTokens: number | null;
}

const MAX_MODEL_LENGTH = 256;
const MAX_CHOICES = 128;

/**
 * Reads a chat completion request. The check is thin by intent: every field that OpenAI has or will have passes on
 * untouched, and what is the provider's business is left to the provider's own errors.
 *
 * @throws Fault invalid_input, naming the field
 */
export function parseChatRequest(raw: Buffer): ChatRequest {
  const json = parseJsonObject(raw);
  const { value } = json;
  const model = readModel(value['model']);
  assertMessages(value['messages']);
  const stream = readStream(value['stream']);
  const options = readStreamOptions(value['stream_options']);
  const maxTokens = readTokenLimit('max_tokens', value['max_tokens']);
  return {
    raw,
    json,
    model,
    stream,
    includeUsage: stream && options !== null && options['include_usage'] === true,
    choices: readChoices(value['n']),
    maxOutputTokens: readTokenLimit('max_completion_tokens', value['max_completion_tokens']) ?? maxTokens,
  };
}

function readModel(value: unknown): string {
  if (value === undefined) throw invalidField('model', 'is missing');
  if (typeof value !== 'string') throw invalidField('model', 'must be a string');
  if (value === '') throw invalidField('model', 'must not be empty');
  if (value.length > MAX_MODEL_LENGTH) throw invalidField('model', `must be at most ${MAX_MODEL_LENGTH} characters`);
  // It is stored in the ledger, and Postgres takes neither.
  if (value.includes('\0') || !value.isWellFormed())
    throw invalidField('model', 'must not hold U+0000 or a lone surrogate');
  return value;
}

function assertMessages(value: unknown): void {
  if (value === undefined) throw invalidField('messages', 'is missing');
  if (!Array.isArray(value) || value.length === 0) throw invalidField('messages', 'must be an array that is not empty');
  for (let i = 0; i < value.length; i += 1) {
    if (!isObject(value[i])) throw invalidField(`messages[${i}]`, 'must be an object');
  }
}

function readStream(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalidField('stream', 'must be true or false');
  return value;
}

function readStreamOptions(value: unknown): Readonly<Record<string, unknown>> | null {
  if (value === undefined || value === null) return null;
  if (!isObject(value)) throw invalidField('stream_options', 'must be an object');
  return value;
}

function readChoices(value: unknown): number {
  if (value === undefined || value === null) return 1;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_CHOICES) {
    throw invalidField('n', `must be a whole number from 1 to ${MAX_CHOICES}`);
  }
  return value;
}

function readTokenLimit(field: string, value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalidField(field, 'must be a whole number of at least 0');
  }
  return value;
}

/** A JSON object: neither null nor an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
