import type { Operation } from '../calls/operation.js';
import { readChatRequest } from '../providers/requests/chat-request.js';
import { ofModel } from '../providers/requests/request-fields.js';
import { boundChat, withOutputLimit } from './chat-bound.js';

/** Up to here the tokenizer counts a text whole. */
const COUNTED_BYTES = 8_192;

/** Chat completions, by OpenAI's contract. */
export const CHAT: Operation<'chat'> = {
  name: 'chat',
  route: 'POST /v1/chat/completions',
  parse: readChatRequest,
  withModel: ofModel,
  bound: boundChat,
  limitOutput: withOutputLimit,

  /**
   * An estimate of a prompt never exceeds its bound. A prompt that was counted by samples, or holds images, is charged by its
   * bound: a caller could else choose a prompt that looks small and hang up. What was produced counts, whatever limit the
   * caller set.
   */
  chargeEstimate(estimate, { raw, json }, bound) {
    const isWhole = raw.length <= COUNTED_BYTES && !json.text.includes('image_url');
    const most = bound().inputTokens;
    return { ...estimate, inputTokens: isWhole ? Math.min(estimate.inputTokens, most) : most };
  },
};
