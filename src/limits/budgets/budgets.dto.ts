import { z } from 'zod';
import { pageFields } from '../../platform/http/index.js';
import { boolean, enumeration, int64, integer, text, timeZone, timestamp } from '../../platform/protojson/index.js';
import { LIMIT_TYPES } from './usage-limits.js';

/** The types that calls are counted by. The other types are reported, and only a human's limits limit them. */
const METERED_TYPES = ['request_cnt', 'token_cnt', 'cost_micros'] as const;
const PERIODS = ['NONE', 'MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH'] as const;
export type Period = (typeof PERIODS)[number];

/** In millionths, with a raise on top, it still fits a bigint of Postgres. */
const MAX_LIMIT = 9_000_000_000_000n;
const MAX_MODELS = 100;
const MAX_MARKS = 10;

const holder = z
  .strictObject({
    tenant: boolean.default(false).meta({ description: 'true: the tenant itself.' }),
    keyId: text(0, 64).default(''),
    human: text(0, 256).default('').meta({ description: 'The human, by your own id; created if new.' }),
    gatewayId: text(0, 64).default(''),
    gatewayTokenId: text(0, 64).default(''),
  })
  .refine((fields) => Object.values(fields).filter(Boolean).length === 1, 'must name exactly one holder')
  .refine(({ human }) => human === '' || human.trim() !== '', { path: ['human'], message: 'is blank' })
  .meta({ description: 'Whose budget it is: exactly one of its fields.' });
export type HolderRequest = z.output<typeof holder>;

const type = z.enum(METERED_TYPES, {
  error: ({ input }) => (input === undefined ? 'is required' : `must be one of ${METERED_TYPES.join(', ')}`),
});

const raise = z
  .strictObject({
    by: int64(1n, MAX_LIMIT).meta({ description: 'So much more is allowed.' }),
    until: timestamp.meta({ format: 'date-time', description: 'Until then.' }),
  })
  .meta({ description: 'Allows more for a time. Absent: nothing is raised.' });

const distinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length;

export const setBudgetRequest = z
  .strictObject({
    holder,
    type,
    period: enumeration(PERIODS).meta({
      description: 'NONE: an amount that does not renew. Otherwise a calendar period; the budget renews at its end.',
    }),
    timeZone: timeZone
      .default('')
      .meta({ description: 'IANA name of the zone whose calendar the period follows. Absent: UTC.' }),
    models: z
      .array(text(1, 256), 'must be a list of models')
      .max(MAX_MODELS, `must have at most ${MAX_MODELS} models`)
      .refine(distinct, 'names a model twice')
      .default([])
      .meta({ description: 'Only calls of these models count, by the name that they are asked for. None: all.' }),
    limit: int64(0n, MAX_LIMIT).meta({
      description: 'How much is allowed, in units: requests, tokens, or millionths of a dollar. 0 blocks.',
    }),
    raise: raise.optional(),
    alertAtPercent: z
      .array(integer(1, 100), 'must be a list of percentages')
      .max(MAX_MARKS, `must have at most ${MAX_MARKS} percentages`)
      .refine(distinct, 'names a percentage twice')
      .optional()
      .meta({ description: 'The percentages at which the webhook `usage.threshold_reached` is sent. Absent: 80.' }),
  })
  .refine(({ limit, raise: raised }) => limit + (raised?.by ?? 0n) <= MAX_LIMIT, {
    path: ['raise', 'by'],
    message: `must come to at most ${MAX_LIMIT} together with limit`,
  });
export type SetBudgetRequest = z.output<typeof setBudgetRequest>;

export const listBudgetsRequest = z.strictObject({
  ...pageFields,
  holder: holder.optional().meta({ description: 'Only the budgets of this one. Absent: all of the tenant.' }),
  type: z.enum(LIMIT_TYPES, `must be one of ${LIMIT_TYPES.join(', ')}`).optional(),
  period: enumeration(PERIODS).optional(),
});
export type ListBudgetsRequest = z.output<typeof listBudgetsRequest>;

export const deleteBudgetRequest = z.strictObject({
  budgetId: text(1, 64),
});
export type DeleteBudgetRequest = z.output<typeof deleteBudgetRequest>;

const dateTime = z.string().meta({ format: 'date-time' });
const amount = z.string().meta({ format: 'int64', description: 'In units; of a cost an exact decimal.' });

const budgetView = z
  .object({
    budgetId: z.string(),
    holder: z.object({
      tenant: z.boolean().optional(),
      keyId: z.string().optional(),
      human: z.string().optional(),
      gatewayId: z.string().optional(),
      gatewayTokenId: z.string().optional(),
    }),
    type: z.enum(LIMIT_TYPES),
    period: z.enum(PERIODS),
    timeZone: z.string(),
    models: z.array(z.string()),
    limit: amount,
    raise: z.object({ by: amount, until: dateTime }).optional().meta({ description: 'There while it holds.' }),
    alertAtPercent: z.array(z.number()),
    used: amount.meta({ format: 'int64', description: 'What the finished calls of the current period used.' }),
    held: amount.meta({ format: 'int64', description: 'What open calls hold, at most.' }),
    remaining: amount.meta({
      format: 'int64',
      description: 'The limit minus what is used, at least 0. It includes what open calls hold.',
    }),
    resetsAt: dateTime.optional().meta({ description: 'When the next period begins. Absent: it does not renew.' }),
    createdAt: dateTime,
  })
  .meta({ 'x-name': 'Budget' });
export type BudgetView = z.output<typeof budgetView>;

export const setBudgetResponse = z.object({
  budget: budgetView,
  notice: z
    .string()
    .optional()
    .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' }),
});
export const listBudgetsResponse = z.object({ budgets: z.array(budgetView), nextPageToken: z.string() });
export const deleteBudgetResponse = z.strictObject({});
