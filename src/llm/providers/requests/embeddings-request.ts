import { invalidField } from '../../../platform/errors/index.js';
import type { JsonObject } from '../../../platform/json/index.js';
import { readModel, refuseLookalikes, type ProviderRequest } from './request-fields.js';

/** One input: a text, or the tokens of one. */
export type EmbeddingsInput = string | readonly number[];

/** Embeddings as they were asked for, judged only as far as this service itself depends on it. */
export interface EmbeddingsRequest extends ProviderRequest {
  readonly stream: false;
  readonly inputs: readonly EmbeddingsInput[];
  /** Null: as many as the model has. */
  readonly dimensions: number | null;
  /** Null: the provider's own choice. */
  readonly encodingFormat: string | null;
}

/** The fields that decide what a call costs and where it goes. */
const GOVERNED = new Set(['model', 'input', 'stream']);
const FORMS = 'must be a string, an array of strings, an array of tokens, or an array of arrays of tokens';

/**
 * Every field that a provider has passes on untouched; how many inputs it takes, and of which length, it says itself.
 *
 * @throws Fault invalid_input, naming the field
 */
export function readEmbeddingsRequest(json: JsonObject): EmbeddingsRequest {
  refuseLookalikes(json, GOVERNED);
  const { value } = json;
  const { stream } = value;
  if (stream !== undefined && stream !== null && stream !== false)
    throw invalidField('stream', 'must be false: embeddings are not streamed');
  return {
    raw: json.bytes,
    json,
    model: readModel(value['model']),
    stream: false,
    inputs: readInputs(value['input']),
    dimensions: readDimensions(value['dimensions']),
    encodingFormat: readEncodingFormat(value['encoding_format']),
  };
}

function readInputs(value: unknown): readonly EmbeddingsInput[] {
  if (value === undefined) throw invalidField('input', 'is missing');
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) throw invalidField('input', FORMS);
  const inputs: readonly unknown[] = value;
  if (inputs.length === 0) throw invalidField('input', 'must not be empty');
  if (isTokens(inputs)) return [inputs];
  const isOfTexts = typeof inputs[0] === 'string';
  for (const [at, input] of inputs.entries()) {
    if (isOfTexts ? typeof input !== 'string' : !isTokens(input)) throw invalidField(`input[${at}]`, FORMS);
  }
  return inputs as readonly EmbeddingsInput[];
}

function isTokens(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    (value as readonly unknown[]).every((token) => Number.isSafeInteger(token) && (token as number) >= 0)
  );
}

function readDimensions(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw invalidField('dimensions', 'must be a whole number of at least 1');
  return value;
}

function readEncodingFormat(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw invalidField('encoding_format', 'must be a string: float or base64');
  return value;
}
