import { z } from 'zod';
import { ROLES } from '../identity/index.js';
import { enumeration, text } from '../platform/protojson/index.js';

export const SLUG = /^[a-z0-9](?:-?[a-z0-9]){1,47}$/;
const SLUG_RULE = 'must be 2 to 48 lower-case letters, digits and single hyphens';

export const name = text(1, 100);
export const id = text(1, 128);
/** What a deletion asks to be typed: whatever was typed is held against the name. */
export const typedName = text(0, 1000);
/** 0, the default of the wire format, is not a role. */
export const role = enumeration(ROLES, { viewer: 1, developer: 2, admin: 3, owner: 4 });

export const empty = z.strictObject({});

export const createOrgRequest = z.strictObject({
  name,
  slug: text(0, 48)
    .refine((slug) => slug === '' || SLUG.test(slug), SLUG_RULE)
    .default('')
    .meta({ description: 'Absent: made from the name.' }),
});
export type CreateOrgRequest = z.output<typeof createOrgRequest>;

export const updateOrgRequest = z.strictObject({
  name: name.optional(),
  slug: text(0, 48)
    .refine((slug) => SLUG.test(slug), SLUG_RULE)
    .optional(),
});
export type UpdateOrgRequest = z.output<typeof updateOrgRequest>;

export const deleteOrgRequest = z.strictObject({
  name: typedName.meta({ description: "The org's name, typed exactly." }),
});
export type DeleteOrgRequest = z.output<typeof deleteOrgRequest>;

export const dateTime = z.string().meta({ format: 'date-time' });
export const notice = z
  .string()
  .optional()
  .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' });

export const orgView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    name: z.string(),
    slug: z.string(),
    createdAt: dateTime,
  })
  .meta({ 'x-name': 'Org' });
export const membershipView = z.object({ userId: z.string(), role: z.enum(ROLES) }).meta({ 'x-name': 'Membership' });

export const createOrgResponse = z.object({ org: orgView, membership: membershipView, notice });
export const getOrgResponse = z.object({ org: orgView, membership: membershipView });
export const updateOrgResponse = z.object({ org: orgView });
export const listOrgsResponse = z.object({
  orgs: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      slug: z.string(),
      role: z.enum(ROLES),
      createdAt: dateTime,
      tenants: z.array(z.object({ id: z.string(), name: z.string() })),
    }),
  ),
  nextPageToken: z.string(),
});
