import { z } from 'zod';

/** Every payload has these. */
const COMMON = {
  id: z.string().meta({ description: 'The id of the event; the header `webhook-id` is the same.' }),
  project: z.string().meta({ description: 'Your tenant.' }),
};
const human = z
  .string()
  .optional()
  .meta({ description: 'The human; absent where the event concerns none, or the human was deleted meanwhile.' });

const budget = {
  ...COMMON,
  human,
  type: z.string().meta({ description: 'The type of the budget: `request_cnt`, `token_cnt` or `cost_micros`.' }),
  holder: z.string().meta({ description: '`tenant`, `key`, `human`, `gateway` or `gateway_token`.' }),
  holder_id: z.string().optional().meta({ description: 'Absent: the tenant itself.' }),
  period: z.string().meta({ description: '`NONE`, `MINUTE`, `HOUR`, `DAY`, `WEEK` or `MONTH`.' }),
  limit: z
    .number()
    .meta({ description: 'What the budget allows in a period: requests, tokens or millionths of a dollar.' }),
  used: z.number().meta({ description: 'What is used of it, in the same unit.' }),
  remaining: z.number().meta({ description: 'What is left of it; 0 where more was used.' }),
  resets_at: z.string().optional().meta({ format: 'date-time', description: 'When the budget renews.' }),
};
const run = {
  ...COMMON,
  human,
  run_id: z.string().meta({ description: 'The run, as `send-message` named it.' }),
  thread_id: z.string().meta({ description: "The id of the run's thread." }),
};

/** The events that an endpoint may choose: when each is sent, and its `payload`. */
export const WEBHOOK_EVENTS = {
  'usage.tracked': {
    when: 'A call was settled, or usage was reported: one event for each type that is not 0.',
    payload: z.strictObject({
      ...COMMON,
      human,
      type: z.string().meta({ description: '`token_cnt`, `request_cnt`, `cost_micros`, or the type of a report.' }),
      value: z.number().meta({ description: 'Exact. A correction of an earlier record may be negative.' }),
      metadata: z
        .strictObject({
          usage_record_id: z.string().optional(),
          model: z.string().nullable().optional(),
          usage_report_id: z.string().optional(),
        })
        .optional()
        .meta({ description: 'The record and model of a call, or the report.' }),
    }),
  },
  'usage.limit_exceeded': {
    when: 'A call was refused because a budget is used up; once for each period and set.',
    payload: z.strictObject(budget),
  },
  'usage.threshold_reached': {
    when: 'The use of a budget reached an alert mark (80 percent unless set otherwise); once for each period and set.',
    payload: z.strictObject({ ...budget, percent: z.number().meta({ description: 'The mark that was reached.' }) }),
  },
  'usage.token_revoked': {
    when: "A human's usage tokens were revoked.",
    payload: z.strictObject({
      ...COMMON,
      human,
      human_id: z.string().meta({ description: 'The id of the human in the audit log.' }),
    }),
  },
  'run.completed': {
    when: 'A run was completed.',
    payload: z.strictObject({ ...run, status: z.literal('COMPLETED').meta({ description: 'How the run ended.' }) }),
  },
  'run.failed': {
    when: 'A run failed.',
    payload: z.strictObject({
      ...run,
      status: z.literal('FAILED').meta({ description: 'How the run ended.' }),
      error_code: z.string().optional().meta({ description: 'Why; see errors.md.' }),
    }),
  },
  'member.invited': {
    when: 'A person was invited to your org. Every tenant of the org gets the event.',
    payload: z.strictObject({
      ...COMMON,
      invitation_id: z.string().meta({ description: 'For `/api/v1/orgs/revoke-invitation`.' }),
      role: z.string().meta({ description: '`owner`, `admin`, `developer` or `viewer`.' }),
      invited_by: z.string().meta({ description: "The inviter's user id." }),
    }),
  },
} as const satisfies Readonly<Record<string, { readonly when: string; readonly payload: z.ZodObject }>>;

export type WebhookEventType = keyof typeof WEBHOOK_EVENTS;

export const EVENT_TYPES = Object.keys(WEBHOOK_EVENTS) as [WebhookEventType, ...WebhookEventType[]];

/** Sent only on request, to the named endpoint, whichever events it chose. */
export const TEST_EVENT = 'webhook.test';

export const TEST_EVENT_PAYLOAD = z.strictObject(COMMON);
