import type { Operation } from '../calls/operation.js';
import { ofModel } from '../providers/requests/request-fields.js';
import { readResponsesRequest } from '../providers/requests/responses-request.js';
import { boundResponses, withResponsesLimit } from './responses-bound.js';

/** Up to here the tokenizer counts a text whole. */
const COUNTED_BYTES = 8_192;

/** OpenAI's Responses API. */
export const RESPONSES: Operation<'responses'> = {
  name: 'responses',
  route: 'POST /v1/responses',
  parse: readResponsesRequest,
  withModel: ofModel,
  bound: boundResponses,
  limitOutput: withResponsesLimit,

  /** As with chat: what was counted by samples, or holds images, is charged by its bound. */
  chargeEstimate(estimate, { raw, json }, bound) {
    const isWhole = raw.length <= COUNTED_BYTES && !json.text.includes('input_image');
    const most = bound().inputTokens;
    return { ...estimate, inputTokens: isWhole ? Math.min(estimate.inputTokens, most) : most };
  },

  streamError: (error) => {
    const event = { ...error, type: 'error', sequence_number: 0, error };
    return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
  },
};
