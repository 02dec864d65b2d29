import { invalidField } from '../../../platform/errors/index.js';
import { parseJsonObject, type JsonObject } from '../../../platform/json/index.js';
import { readModel, readStream, refuseLookalikes, type ProviderRequest } from './request-fields.js';

/** A chat completion as it was asked for, judged only as far as this service itself depends on it. */
export interface ChatRequest extends ProviderRequest {
  /** Whether the caller wants the usage chunk at the end of the stream. */
  readonly includeUsage: boolean;
  /** `n`: how many answers. */
  readonly choices: number;
  /** `max_completion_tokens`, else `max_tokens`; null: the provider's own limit. */
  readonly maxOutputTokens: number | null;
  /** The two as they were written; which of them holds is the server's business. */
  readonly maxTokens: number | null;
  readonly maxCompletionTokens: number | null;
}

/** The fields that decide what a call costs and where it goes. */
const GOVERNED = new Set(['model', 'messages', 'stream', 'stream_options', 'n', 'max_tokens', 'max_completion_tokens']);
/** Output of a call without a limit of its own, for each answer; under a budget it is written into the request. */
export const DEFAULT_OUTPUT_TOKENS = 4_096;
/** By which we ask for what a stream used. */
const INCLUDE_USAGE = 'include_usage';
const MAX_CHOICES = 128;
/** Each is looked at by name; OpenAI has two. */
const MAX_STREAM_OPTIONS = 64;

/**
 * Reads a chat completion request. The check is thin by intent: every field that OpenAI has or will have passes on
 * untouched, and what is the provider's business is left to the provider's own errors.
 *
 * @throws Fault invalid_input, naming the field
 */
export function parseChatRequest(raw: Buffer): ChatRequest {
  return readChatRequest(parseJsonObject(raw));
}

/** @throws Fault invalid_input, naming the field */
export function readChatRequest(json: JsonObject): ChatRequest {
  refuseLookalikes(json, GOVERNED);
  const { value } = json;
  const model = readModel(value['model']);
  assertMessages(value['messages']);
  const stream = readStream(value['stream']);
  const options = readStreamOptions(json);
  const maxTokens = readTokenLimit('max_tokens', value['max_tokens']);
  const maxCompletionTokens = readTokenLimit('max_completion_tokens', value['max_completion_tokens']);
  return {
    raw: json.bytes,
    json,
    model,
    stream,
    includeUsage: stream && options !== null && options['include_usage'] === true,
    choices: readChoices(value['n']),
    maxOutputTokens: maxCompletionTokens ?? maxTokens,
    maxTokens,
    maxCompletionTokens,
  };
}

function assertMessages(value: unknown): void {
  if (value === undefined) throw invalidField('messages', 'is missing');
  if (!Array.isArray(value) || value.length === 0) throw invalidField('messages', 'must be an array that is not empty');
  for (let i = 0; i < value.length; i += 1) {
    if (!isObject(value[i])) throw invalidField(`messages[${i}]`, 'must be an object');
  }
}

function readStreamOptions(json: JsonObject): Readonly<Record<string, unknown>> | null {
  const value = json.value['stream_options'];
  const span = json.fields.get('stream_options');
  if (span === undefined || value === null) return null;
  if (!isObject(value)) throw invalidField('stream_options', 'must be an object');
  if (Object.keys(value).length > MAX_STREAM_OPTIONS)
    throw invalidField('stream_options', `must have at most ${MAX_STREAM_OPTIONS} fields`);
  // One of its fields is ours to change, so that none may stand twice.
  const options = parseJsonObject(Buffer.from(json.text.slice(span.start, span.end))).value;
  for (const key of Object.keys(options)) {
    if (key !== INCLUDE_USAGE && key.toUpperCase().toLowerCase() === INCLUDE_USAGE)
      throw invalidField(`stream_options.${key}`, `must be written ${INCLUDE_USAGE}`);
  }
  return options;
}

function readChoices(value: unknown): number {
  if (value === undefined || value === null) return 1;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_CHOICES) {
    throw invalidField('n', `must be a whole number from 1 to ${MAX_CHOICES}`);
  }
  return value;
}

/** Zero: no limit. Some servers take it for that, and others take -1. */
function readTokenLimit(field: string, value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (value === -1) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalidField(field, 'must be a whole number of at least 0');
  }
  return value;
}

/** A JSON object: neither null nor an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
