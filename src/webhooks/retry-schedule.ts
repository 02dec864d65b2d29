import type { Settings } from '../platform/config/index.js';
import type { DeliveryError } from './delivery.types.js';

const FACTOR = 4;
const LONGEST_MS = 8 * 60 * 60 * 1000;
/** A fifth more or less at random, so that deliveries that failed together are not repeated together. */
const JITTER = 0.2;

/**
 * How long to wait before the next attempt; null: that was the last one. With the defaults: 5 s, 20 s, 80 s, 5 min, 21 min, 85
 * min, 5.7 h, 8 h, 8 h: ten attempts over about a day.
 *
 * @param attempt the one that failed, from 1
 * @param random from 0 to 1
 */
export function retryInMs(
  attempt: number,
  error: DeliveryError,
  { webhookRetryMs, webhookAttempts }: Pick<Settings, 'webhookRetryMs' | 'webhookAttempts'>,
  random = Math.random(),
): number | null {
  // Our own failure does not count against the endpoint: the delivery waits until it is repaired.
  if (error === 'GONE' || (attempt >= webhookAttempts && error !== 'INTERNAL')) return null;
  const waitMs = Math.min(webhookRetryMs * FACTOR ** Math.min(attempt - 1, 20), Math.max(LONGEST_MS, webhookRetryMs));
  return Math.round(waitMs * (1 - JITTER + 2 * JITTER * random));
}
