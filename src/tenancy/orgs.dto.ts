import { z } from 'zod';
import { text } from '../platform/http/index.js';

export const SLUG = /^[a-z0-9](?:-?[a-z0-9]){1,47}$/;

export const createOrgRequest = z.strictObject({
  name: text(1, 100),
  slug: text(0, 48)
    .refine((slug) => slug === '' || SLUG.test(slug), 'must be 2 to 48 lower-case letters, digits and single hyphens')
    .default('')
    .meta({ description: 'Absent: made from the name.' }),
});
export type CreateOrgRequest = z.output<typeof createOrgRequest>;

export const createOrgResponse = z.object({
  org: z.object({
    id: z.string(),
    tenantId: z.string(),
    name: z.string(),
    slug: z.string(),
    createdAt: z.string().meta({ format: 'date-time' }),
  }),
  membership: z.object({ userId: z.string(), role: z.literal('owner') }),
});
