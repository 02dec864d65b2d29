import type { SharedV4ProviderOptions } from '@ai-sdk/provider';
import type { EmbeddingsRequest } from '../requests/embeddings-request.js';
import { limitedTo, unsupported } from './refusals.js';

/** What the embedding models of a provider take. */
export interface EmbeddingTraits {
  /** As errors name it. */
  readonly provider: string;
  /** The numbers of dimensions that can be asked for; null: the provider judges them. */
  readonly dimensions: readonly number[] | null;
  /** What a text can be embedded for, as the field `input_type` says it; none: the field is not taken. */
  readonly inputTypes: readonly string[];
}

/** A request as the packages take it. */
interface EmbeddingOptions {
  readonly dimensions: number | undefined;
  /** Null: the caller did not say. */
  readonly inputType: string | null;
}

const CARRIED = new Set(['model', 'input', 'stream', 'dimensions', 'encoding_format']);
const FORMATS = new Set([null, 'float', 'base64']);
const INPUT_TYPE = 'input_type';

/**
 * Judges what a provider can carry of a request, before anything is sent.
 *
 * @throws Fault invalid_input, naming the field
 */
export function embeddingOptionsOf(request: EmbeddingsRequest, traits: EmbeddingTraits): EmbeddingOptions {
  const { provider, dimensions: known, inputTypes } = traits;
  const { inputs, dimensions, encodingFormat, json } = request;
  if (!inputs.every((input) => typeof input === 'string'))
    throw limitedTo('input', 'a text or a list of texts, and no tokens,', provider);
  if (!FORMATS.has(encodingFormat)) throw limitedTo('encoding_format', 'float or base64', provider);
  if (dimensions !== null && known !== null && !known.includes(dimensions))
    throw known.length === 0
      ? unsupported('dimensions', provider)
      : limitedTo('dimensions', `one of ${known.join(', ')}`, provider);
  for (const [key, value] of Object.entries(json.value)) {
    if (value === null || CARRIED.has(key) || key === 'user') continue;
    if (key !== INPUT_TYPE || inputTypes.length === 0) throw unsupported(key, provider);
    if (!inputTypes.some((one) => one === value)) throw limitedTo(key, `one of ${inputTypes.join(', ')}`, provider);
  }
  const inputType = json.value[INPUT_TYPE];
  return { dimensions: dimensions ?? undefined, inputType: typeof inputType === 'string' ? inputType : null };
}

/** What Cohere's models embed a text for, wherever they run. */
export const COHERE_INPUT_TYPES = ['search_document', 'search_query', 'classification', 'clustering'] as const;
/** Most texts are embedded to be found. */
export const USUAL_INPUT_TYPE = 'search_document';
export const COHERE_DIMENSIONS = [256, 512, 1_024, 1_536] as const;

/** Options of one package, without those that were not asked for. */
export function optionsFor(
  namespace: string,
  fields: Readonly<Record<string, string | number | undefined>>,
): SharedV4ProviderOptions {
  const given = Object.entries(fields).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  return { [namespace]: Object.fromEntries(given) };
}
