import { isObject, type ChatRequest } from './chat-request.js';

export interface ReservationBound {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What an image may count for at most: a large one in full detail, with the model that counts images highest. */
const IMAGE_TOKENS = 50_000;
const LOW_DETAIL_IMAGE_TOKENS = 3_000;
/** What a provider's chat template may put around the messages. */
const TEMPLATE_TOKENS = 512;
/** Output of a call that sets no limit of its own. */
const DEFAULT_OUTPUT_TOKENS = 4_096;
/** No provider produces more within the longest call that there is, whatever limit the caller wrote down. */
const MAX_TOKENS = 1_000_000_000;

/**
 * How many tokens a call can come to at most, which is what it reserves.
 *
 * Input: a token stands for at least one byte of text, so that the body's size in bytes bounds its text, tool and schema
 * tokens; JSON's own quotes and braces outweigh what a chat format adds to each message. Images count by what a model
 * makes of them, not by their base64. Output: the caller's limit, or a default, for each of the `n` answers.
 */
export function reservationBound(request: ChatRequest): ReservationBound {
  const output = request.choices * (request.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS);
  return {
    inputTokens: Math.min(
      request.raw.length + TEMPLATE_TOKENS + imageAdjustment(request.json.value['messages']),
      MAX_TOKENS,
    ),
    outputTokens: Math.min(output, MAX_TOKENS),
  };
}

/** The images' tokens, less the bytes that they take up in the body. */
function imageAdjustment(messages: unknown): number {
  let sum = 0;
  for (const message of messages as readonly Readonly<Record<string, unknown>>[]) {
    const content = message['content'];
    if (!Array.isArray(content)) continue;
    for (const part of content as readonly unknown[]) {
      if (!isObject(part) || part['type'] !== 'image_url') continue;
      const image = part['image_url'];
      if (!isObject(image)) continue;
      sum += image['detail'] === 'low' ? LOW_DETAIL_IMAGE_TOKENS : IMAGE_TOKENS;
      if (typeof image['url'] === 'string' && image['url'].startsWith('data:')) sum -= image['url'].length;
    }
  }
  return sum;
}
