import { z } from 'zod';
import { pageFields } from '../platform/http/index.js';
import { text } from '../platform/protojson/index.js';
import { LIMIT_TYPES, usageLimits, usageLimitView } from '../limits/index.js';

/** A human's id, as the tenant chose it: compared byte for byte, so that two Unicode forms of one name are two humans. */
export const human = text(1, 256)
  .refine((id) => id.trim() !== '', 'is blank')
  .meta({
    minLength: 1,
    maxLength: 256,
    description: "The tenant's own id of its end user: an e-mail address, a UUID.",
  });

export const humanRequest = z.strictObject({ human });
export type HumanRequest = z.output<typeof humanRequest>;

export const upsertHumanRequest = z
  .strictObject({
    human,
    limits: usageLimits
      .default([])
      .meta({ description: 'Sets what is left; a type that is not listed stays as it is.' }),
    removeLimits: z
      .array(z.enum(LIMIT_TYPES, `must be one of ${LIMIT_TYPES.join(', ')}`), 'must be a list of types')
      .max(LIMIT_TYPES.length)
      .refine((types) => new Set(types).size === types.length, 'names a type twice')
      .default([])
      .meta({ description: 'Types whose limit is removed.' }),
  })
  .refine(({ limits, removeLimits }) => limits.every(({ type }) => !removeLimits.includes(type)), {
    path: ['removeLimits'],
    message: 'names a type that limits sets',
  });
export type UpsertHumanRequest = z.output<typeof upsertHumanRequest>;

export const listHumansRequest = z.strictObject({
  search: text(0, 256).default('').meta({ description: 'A part of the id, in any case.' }),
  ...pageFields,
});
export type ListHumansRequest = z.output<typeof listHumansRequest>;

const humanView = z
  .object({
    human: z.string(),
    createdAt: z.string().meta({ format: 'date-time' }),
    lastSeenAt: z
      .string()
      .optional()
      .meta({ format: 'date-time', description: 'The last call, to about ten seconds. Absent: no call yet.' }),
    limits: z
      .array(usageLimitView)
      .meta({ description: 'What is left, at least 0; a type that is not listed is unlimited.' }),
  })
  .meta({ 'x-name': 'Human' });
export type HumanView = z.output<typeof humanView>;

const notice = z
  .string()
  .optional()
  .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' });
export const humanResponse = z.object({ human: humanView });
export const upsertHumanResponse = z.object({ human: humanView, notice });
export const listHumansResponse = z.object({ humans: z.array(humanView), nextPageToken: z.string() });
export const deleteHumanResponse = z.strictObject({});
