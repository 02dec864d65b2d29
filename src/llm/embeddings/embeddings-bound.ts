import type { CallBound } from '../calls/operation.js';
import { boundlessField, CACHE_CONTROL, folded } from '../chat/boundless-fields.js';
import { tokensOf } from '../chat/prompt-bound.js';
import type { ModelFacts } from '../models/model-facts.js';
import type { EmbeddingsRequest } from '../providers/requests/embeddings-request.js';
import { textsOf, tokensGiven } from '../providers/requests/embeddings-tokens.js';
import { TextEffort } from '../tokens/text-effort.js';
import type { TextBound } from '../tokens/tokenizer.js';

/** What a server may put around each input: marks of its begin and end, a word that says what it is for. */
const TOKENS_PER_INPUT = 16;
const MAX_TOKENS = 1_000_000_000;
/** Fields of which no server shows the model anything. */
const NOT_EMBEDDED = new Set(['model', 'input', 'stream', 'dimensions', 'encoding_format', 'user']);
/** Inputs by other names, which may lead to images and whatever else is not in the body. */
const OTHER_INPUTS = new Set(['messages', 'inputs', 'instances', 'contents', 'content', 'requests', 'input_ids']);

/** The most that a request can come to: its inputs, and with each of them whatever else stands in the body. */
export function boundEmbeddings(request: EmbeddingsRequest, facts: ModelFacts | null, texts: TextBound): CallBound {
  const { inputs, json } = request;
  let boundless: string | null = null;
  let unpriced: string | null = null;
  let besideEach = TOKENS_PER_INPUT;
  const effort = new TextEffort();
  for (const [key, { start, end }] of json.fields) {
    if (NOT_EMBEDDED.has(key)) continue;
    boundless ??= boundlessField(key, json.value[key], 1) ?? (OTHER_INPUTS.has(folded(key)) ? key : null);
    if (folded(key) === CACHE_CONTROL) unpriced ??= key;
    besideEach += effort.byBytes(`${key}${json.text.slice(start, end)}`, true);
  }
  // Joined, since each count has its price; the line end counts for the seam.
  const counted = tokensOf(textsOf(inputs).join('\n'), facts?.family ?? 'unknown', texts);
  return {
    choices: 1,
    inputTokens: Math.min(counted + tokensGiven(inputs) + inputs.length * besideEach, MAX_TOKENS),
    outputTokens: 0,
    defaultOutput: null,
    outputIsBounded: true,
    boundless,
    unpriced,
  };
}
