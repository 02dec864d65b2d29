/**
 * Embeddings as the providers' documentation describes them: Gemini's embedContent and batchEmbedContents, Cohere's embed,
 * Titan's and Cohere's models on Amazon Bedrock. Every text counts for five tokens, where tokens are reported.
 */
import { jsonAnswer, type Answerer, type WireAnswer, type WireRequest } from './wire-upstream.js';

/** The request, in any of its forms. */
interface Sent {
  readonly content?: { readonly parts: readonly { readonly text: string }[] };
  readonly requests?: readonly {
    readonly content: { readonly parts: readonly { readonly text: string }[] };
    readonly outputDimensionality?: number;
  }[];
  readonly outputDimensionality?: number;
  readonly texts?: readonly string[];
  readonly input_type?: string;
  readonly output_dimension?: number;
  readonly inputText?: string;
  readonly dimensions?: number;
}

/** A vector that identifies its text: the text's length, then its place in the exchange. */
function vector(text: string, place: number, dimensions = 3): number[] {
  return Array.from({ length: dimensions }, (_, at) => (at === 0 ? text.length : at === 1 ? place : 0.5));
}

const sentIn = ({ body }: WireRequest): Sent => body;

export const googleEmbeds: Answerer = (request) => {
  const { content, requests, outputDimensionality: dimensions } = sentIn(request);
  if (typeof request.headers['x-goog-api-key'] !== 'string') return missingKey();
  const textOf = (one: typeof content): string => one!.parts.map(({ text }) => text).join('');
  if (request.path.endsWith(':embedContent'))
    return jsonAnswer({ embedding: { values: vector(textOf(content), 0, dimensions) } });
  const embeddings = requests!.map((one, at) => ({
    values: vector(textOf(one.content), at, one.outputDimensionality),
  }));
  return jsonAnswer({ embeddings });
};

export const cohereEmbeds: Answerer = (request) => {
  const { texts = [], input_type: inputType, output_dimension: dimensions } = sentIn(request);
  if (!request.path.endsWith('/v2/embed') || inputType === undefined)
    return jsonAnswer({ message: `invalid request: ${request.path}` }, 400);
  const float = texts.map((text, at) => vector(text, at, dimensions));
  const meta = { api_version: { version: '2' }, billed_units: { input_tokens: 5 * texts.length } };
  return jsonAnswer({ id: 'da6e531f', embeddings: { float }, texts, meta, response_type: 'embeddings_by_type' });
};

export const bedrockEmbeds: Answerer = (request) => {
  const { inputText, dimensions, texts, output_dimension: size } = sentIn(request);
  if (inputText !== undefined)
    return jsonAnswer({ embedding: vector(inputText, 0, dimensions), inputTextTokenCount: 5 });
  const embeddings = texts!.map((text, at) => vector(text, at, size));
  const headers = { 'x-amzn-bedrock-input-token-count': String(5 * texts!.length) };
  return jsonAnswer({ embeddings, id: 'x', response_type: 'embeddings_floats', texts }, 200, headers);
};

function missingKey(): WireAnswer {
  return jsonAnswer({ error: { code: 403, message: 'Missing API key.', status: 'PERMISSION_DENIED' } }, 403);
}
