/** What an endpoint may choose. */
export const EVENT_TYPES = [
  'usage.tracked',
  'usage.limit_exceeded',
  'usage.threshold_reached',
  'usage.token_revoked',
  'run.completed',
  'run.failed',
  'member.invited',
] as const;

/** Sent on request alone, to the endpoint that is named, whatever it chose. */
export const TEST_EVENT = 'webhook.test';
