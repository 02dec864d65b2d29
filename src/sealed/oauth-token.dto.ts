import { z } from 'zod';

const MOST_SECRETS = 64;
const MOST_QUOTA = 1_000_000_000;

/** A missing value, or one that is not a number, gets the same error as one that is too small. */
const positive = z
  .number('must be a positive number')
  .positive('must be a positive number')
  .transform((value) => Math.min(MOST_QUOTA, Math.max(1, Math.floor(value))));

const requestLimits = z.strictObject({
  requestsPerMinute: positive,
  requestsPerHour: positive,
  requestsPerDay: positive,
});

/** The characters that a header can carry. */
const secret = z
  .string()
  .max(4_096)
  .regex(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces');

export const mintRequest = z.strictObject({
  requestAuthAndQuotas: z.strictObject({
    requestQuotas: z
      .strictObject({ perClientRequestLimits: requestLimits, globalRequestLimits: requestLimits })
      .nullish()
      .transform((value) => value ?? null),
    serviceSecrets: z
      .array(z.strictObject({ serviceId: z.string().max(256), authSecret: secret }))
      .max(MOST_SECRETS)
      .nullish(),
  }),
  expirationTimeSpan: z.string().nullish(),
  /** Fields of AIsBreaker and OAuth; they have no effect here. */
  clientId: z.unknown().optional(),
  clientSecret: z.unknown().optional(),
  client_id: z.unknown().optional(),
  client_secret: z.unknown().optional(),
  grant_type: z.unknown().optional(),
});
export type MintRequest = z.output<typeof mintRequest>;

export const mintResponse = z.object({
  access_token: z
    .string()
    .optional()
    .meta({ description: 'Shown this once: a repeat by its Idempotency-Key lacks it.' }),
  token_type: z.literal('Bearer'),
  notice: z.string().optional(),
});
