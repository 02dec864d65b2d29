import { z } from 'zod';
import { human } from '../../humans/index.js';
import { text } from '../../platform/protojson/index.js';
import { LIMIT_TYPES, exactAmount, type LimitType } from '../../limits/index.js';

/** Usage that the platform cannot see, and that servers report. */
const REPORTED_TYPES = ['conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt'] as const;
export type ReportedType = (typeof REPORTED_TYPES)[number];

/** The most in one report: thirty years of seconds. */
const MAX_VALUE = 1_000_000_000;

const isReported = (type: LimitType): type is ReportedType => (REPORTED_TYPES as readonly string[]).includes(type);

const type = z
  .enum(LIMIT_TYPES, {
    error: ({ input }) => (input === undefined ? 'is required' : `must be one of ${REPORTED_TYPES.join(', ')}`),
  })
  .transform((named, context): ReportedType => {
    if (isReported(named)) return named;
    context.addIssue(`${named} is counted by the platform itself; report one of ${REPORTED_TYPES.join(', ')}`);
    return z.NEVER;
  })
  .meta({ type: 'string', enum: [...REPORTED_TYPES] });

export const reportUsageRequest = z.strictObject({
  type,
  value: exactAmount(MAX_VALUE)
    .refine((microUnits) => microUnits !== '0', 'must be greater than 0')
    .meta({ type: 'number', description: 'What was used: at most 6 decimals.' }),
  human,
  idempotencyKey: text(1, 255).meta({
    description: 'Your id of this report: however often it is sent, it is counted once.',
  }),
});
export type ReportUsageRequest = z.output<typeof reportUsageRequest>;

export const reportUsageResponse = z.object({
  reportId: z.string(),
  notice: z.string().optional().meta({ description: 'There when an Idempotency-Key was sent before.' }),
});
