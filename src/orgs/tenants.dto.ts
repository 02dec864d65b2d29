import { z } from 'zod';
import { dateTime, id, membershipView, name, notice, typedName } from './orgs.dto.js';
import { defaultOutputTokens, usageLimits, usageLimitView } from '../limits/index.js';
import { integer } from '../platform/protojson/index.js';

const defaultLimits = usageLimits.meta({
  description:
    'The limits that a new human starts with, unless the key has its own; a type that is not listed is unlimited.',
});

const defaultOutput = defaultOutputTokens.meta({
  description:
    "Output tokens of a call under a budget that names no limit, for each choice, if its key has no default; 0: the service's default.",
});

const threadRetentionDays = integer(0, 36_500).meta({
  description:
    'How many days threads are kept after their last use, and runs after their end; 0: until they are deleted.',
});

export const createTenantRequest = z.strictObject({
  name,
  defaultLimits: defaultLimits.optional(),
  defaultOutputTokens: defaultOutput.optional(),
  threadRetentionDays: threadRetentionDays.optional(),
});
export type CreateTenantRequest = z.output<typeof createTenantRequest>;

export const tenantIdRequest = z.strictObject({ tenantId: id });
export type TenantIdRequest = z.output<typeof tenantIdRequest>;

export const updateTenantRequest = z.strictObject({
  tenantId: id,
  name: name.optional(),
  defaultLimits: defaultLimits.optional(),
  defaultOutputTokens: defaultOutput.optional(),
  threadRetentionDays: threadRetentionDays.optional(),
});
export type UpdateTenantRequest = z.output<typeof updateTenantRequest>;

export const deleteTenantRequest = z.strictObject({
  tenantId: id,
  name: typedName.meta({ description: "The tenant's name, typed exactly." }),
});
export type DeleteTenantRequest = z.output<typeof deleteTenantRequest>;

const tenantView = z
  .object({
    id: z.string(),
    name: z.string(),
    createdAt: dateTime,
    defaultLimits: z.array(usageLimitView),
    defaultOutputTokens: z.number().optional().meta({ description: "Absent: the service's." }),
    threadRetentionDays: z
      .number()
      .optional()
      .meta({ description: 'Absent: threads are kept until they are deleted.' }),
    current: z.boolean().meta({ description: 'Whether your token is for this one.' }),
  })
  .meta({ 'x-name': 'Tenant' });
export const createTenantResponse = z.object({ tenant: tenantView, notice });
export const tenantResponse = z.object({ tenant: tenantView });
export const listTenantsResponse = z.object({ tenants: z.array(tenantView), nextPageToken: z.string() });
export const switchTenantResponse = z.object({
  tenant: z.object({ id: z.string(), orgId: z.string(), name: z.string(), createdAt: dateTime }),
  membership: membershipView,
});
