import { group, integer } from './setting-definition.js';

const webhooks = group('Webhooks').define;

/** When deliveries are sent, tried again and given up. */
export const WEBHOOK_SETTINGS = {
  webhookPollMs: webhooks(
    'GATEHOUSE_WEBHOOK_POLL_MS',
    integer(10, 600_000),
    'How often a process looks for deliveries that are due.',
    { fallback: '1000' },
  ),
  webhookConcurrency: webhooks(
    'GATEHOUSE_WEBHOOK_CONCURRENCY',
    integer(1, 1000),
    'Most deliveries that one process has under way; of one endpoint at most 4, of one that fails 1.',
    { fallback: '16' },
  ),
  webhookTimeoutMs: webhooks(
    'GATEHOUSE_WEBHOOK_TIMEOUT_MS',
    integer(10, 600_000),
    "Longest wait for a receiver's answer. What a dead process had under way is sent again after three times as long.",
    { fallback: '10000' },
  ),
  webhookRetryMs: webhooks(
    'GATEHOUSE_WEBHOOK_RETRY_MS',
    integer(1, 86_400_000),
    'Wait before the second attempt of a delivery; each further one is four times as long, at most 8 hours, give or take a fifth.',
    { fallback: '5000' },
  ),
  webhookAttempts: webhooks(
    'GATEHOUSE_WEBHOOK_ATTEMPTS',
    integer(1, 100),
    'Attempts of a delivery before it has failed; by default they take about a day.',
    { fallback: '10' },
  ),
  webhookDeadSeconds: webhooks(
    'GATEHOUSE_WEBHOOK_DEAD_SECONDS',
    integer(1, 31_536_000),
    'An endpoint that failed for this long, since its first failed attempt, is disabled.',
    { fallback: '259200' },
  ),
  webhookKeepSeconds: webhooks(
    'GATEHOUSE_WEBHOOK_KEEP_SECONDS',
    integer(1, 315_360_000),
    'How long events and their deliveries are kept.',
    { fallback: '2592000' },
  ),
  webhookPruneSeconds: webhooks(
    'GATEHOUSE_WEBHOOK_PRUNE_SECONDS',
    integer(1, 86_400),
    'How often old events are deleted, and stored secrets moved to the newest encryption key.',
    { fallback: '3600' },
  ),
} as const;
