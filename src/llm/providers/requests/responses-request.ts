import { invalidField } from '../../../platform/errors/index.js';
import type { JsonObject } from '../../../platform/json/index.js';
import { isObject } from './chat-request.js';
import { readModel, readStream, refuseLookalikes, type ProviderRequest } from './request-fields.js';

/** A call of OpenAI's Responses API, judged only as far as this service itself depends on it. */
export interface ResponsesRequest extends ProviderRequest {
  /** Null: the provider's own limit. */
  readonly maxOutputTokens: number | null;
  /** Null: the provider's own choice; OpenAI then keeps the response for thirty days. */
  readonly store: boolean | null;
  /** The kept response that this one goes on from; null: it begins anew. */
  readonly previousId: string | null;
  /** What is known of that, once it was looked up. */
  readonly previous: PreviousResponse | null;
}

/** A response of the caller's that a provider keeps. */
export interface PreviousResponse {
  /** Null: the platform's. */
  readonly providerId: string | null;
  /** Which model made it, and what it and all before it come to with that; null: not known. */
  readonly model: string;
  readonly tokens: number | null;
}

const MAX_ID_LENGTH = 256;

/** The fields that decide what a call costs, where it goes and what it reads. */
const GOVERNED = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'max_output_tokens',
  'tools',
  'store',
  'previous_response_id',
  'conversation',
  'background',
]);

/**
 * Every other field passes on untouched, as with chat.
 *
 * @throws Fault invalid_input, naming the field
 */
export function readResponsesRequest(json: JsonObject): ResponsesRequest {
  refuseLookalikes(json, GOVERNED);
  const { value } = json;
  const model = readModel(value['model']);
  assertInput(value['input'], isThere(value['prompt']));
  // Its owner is unknown here: callers behind one credential could name each other's responses.
  if (isThere(value['conversation']))
    throw invalidField('conversation', 'is not served; send the earlier items in `input`');
  return {
    raw: json.bytes,
    json,
    model,
    stream: readStream(value['stream']),
    maxOutputTokens: readLimit(value['max_output_tokens']),
    store: readStore(value['store']),
    previousId: readPreviousId(value['previous_response_id']),
    previous: null,
  };
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function assertInput(value: unknown, mayLack: boolean): void {
  if (!isThere(value)) {
    if (!mayLack) throw invalidField('input', 'is missing');
    return;
  }
  if (typeof value === 'string') return;
  if (!Array.isArray(value)) throw invalidField('input', 'must be a string or an array of items');
  for (const [at, item] of (value as readonly unknown[]).entries())
    if (!isObject(item)) throw invalidField(`input[${at}]`, 'must be an object');
}

function readLimit(value: unknown): number | null {
  if (!isThere(value)) return null;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw invalidField('max_output_tokens', 'must be a whole number of at least 1');
  return value;
}

function readPreviousId(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || value === '' || value.length > MAX_ID_LENGTH)
    throw invalidField('previous_response_id', `must be a string of 1 to ${MAX_ID_LENGTH} characters`);
  return value;
}

function readStore(value: unknown): boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'boolean') throw invalidField('store', 'must be true or false');
  return value;
}
