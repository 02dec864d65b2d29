import { z } from 'zod';
import { text } from '../../platform/protojson/index.js';
import { usageLimitChanges, usageLimitView } from '../../limits/index.js';

const MAX_HUMAN_CHARACTERS = 256;
const MAX_TTL_SECONDS = 31_536_000;
const DEFAULT_TTL_SECONDS = 3600;
const NO_TTL = `must be a whole number from 1 to ${MAX_TTL_SECONDS}`;

const human = text(1, MAX_HUMAN_CHARACTERS)
  .refine((name) => name.trim() !== '', 'is blank')
  .nullish()
  .meta({ type: 'string', description: "The human, by the tenant's own name for them." });

const ttlSeconds = z
  .number({ error: ({ input }) => (input === undefined ? 'is required' : NO_TTL) })
  .refine((seconds) => Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_TTL_SECONDS, NO_TTL)
  .meta({ type: 'integer', minimum: 1, maximum: MAX_TTL_SECONDS });

/** Either name alone is enough; null means absent, since some clients write absent fields so. */
const named = {
  human,
  human_id: human.meta({ type: 'string', deprecated: true, description: 'The older name of `human`.' }),
};

interface Named {
  readonly human?: string | null | undefined;
  readonly human_id?: string | null | undefined;
}

function humanOf({ human: name, human_id: alias }: Named, context: z.RefinementCtx): string {
  const one = name ?? alias ?? null;
  if (one === null) context.addIssue({ code: 'custom', path: ['human'], message: 'is required' });
  else if ((alias ?? one) !== one)
    context.addIssue({ code: 'custom', path: ['human_id'], message: 'must be the same as human' });
  else return one;
  return z.NEVER;
}

export const createUsageTokenRequest = z
  .strictObject({
    ...named,
    limits: usageLimitChanges.nullish().meta({ description: 'What the human may use, as PUT sets it.' }),
    ttl_seconds: ttlSeconds.nullish().meta({ type: 'integer', default: DEFAULT_TTL_SECONDS }),
  })
  .transform((body, context) => ({
    human: humanOf(body, context),
    limits: body.limits ?? [],
    ttlSeconds: body.ttl_seconds ?? DEFAULT_TTL_SECONDS,
  }));
export type CreateUsageTokenRequest = z.output<typeof createUsageTokenRequest>;

export const setLimitsRequest = z
  .strictObject({ ...named, limits: usageLimitChanges })
  .transform((body, context) => ({ human: humanOf(body, context), limits: body.limits }));
export type SetLimitsRequest = z.output<typeof setLimitsRequest>;

export const humanRequest = z.strictObject(named).transform((body, context) => ({ human: humanOf(body, context) }));
export type HumanRequest = z.output<typeof humanRequest>;

export const updateTtlRequest = z
  .strictObject({ ...named, ttl_seconds: ttlSeconds })
  .transform((body, context) => ({ human: humanOf(body, context), ttlSeconds: body.ttl_seconds }));
export type UpdateTtlRequest = z.output<typeof updateTtlRequest>;

export const usageTokenResponse = z.object({
  token: z.string().optional().meta({ description: 'Shown only this once; a repeat by its Idempotency-Key lacks it.' }),
  notice: z
    .string()
    .optional()
    .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' }),
});
export const limitsSetResponse = z.object({});
export const limitsResponse = z.array(usageLimitView);
export const ttlResponse = z.object({ ttl_seconds: z.int().meta({ description: 'Of several tokens the longest.' }) });
