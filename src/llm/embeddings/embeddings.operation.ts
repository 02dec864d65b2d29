import type { Operation } from '../calls/operation.js';
import { boundEmbeddings } from './embeddings-bound.js';
import { readEmbeddingsRequest } from '../providers/requests/embeddings-request.js';
import { ofModel } from '../providers/requests/request-fields.js';

/** Up to here the tokenizer counts a text whole. */
const COUNTED_BYTES = 8_192;

/** Embeddings, by OpenAI's contract: input alone is used, and nothing of it can be limited. */
export const EMBEDDINGS: Operation<'embeddings'> = {
  name: 'embeddings',
  route: 'POST /v1/embeddings',
  parse: readEmbeddingsRequest,
  withModel: ofModel,
  bound: boundEmbeddings,
  limitOutput: (request) => request,

  /** As with chat: what was counted by samples is charged by its bound. */
  chargeEstimate(estimate, { raw }, bound) {
    const most = bound().inputTokens;
    return { ...estimate, inputTokens: raw.length <= COUNTED_BYTES ? Math.min(estimate.inputTokens, most) : most };
  },
};
