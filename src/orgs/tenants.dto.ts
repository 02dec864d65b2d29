import { z } from 'zod';
import { dateTime, id, membershipView, name, notice, typedName } from './orgs.dto.js';
import { defaultOutputTokens, usageLimits, usageLimitView } from '../limits/index.js';
import { integer } from '../platform/protojson/index.js';

const defaultLimits = usageLimits.meta({
  description:
    'What a human may use at first who comes by no key with limits of its own; a type that is not named is unlimited.',
});

const defaultOutput = defaultOutputTokens.meta({
  description:
    "Output that a call under a budget is given where its caller names no limit, for each choice, and its key has no default; 0: the service's.",
});

const threadRetentionDays = integer(0, 36_500).meta({
  description:
    'How many days threads are kept after they were last used, and the runs of the others after they ended; 0: until somebody deletes them.',
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

const tenantView = z.object({
  id: z.string(),
  name: z.string(),
  createdAt: dateTime,
  defaultLimits: z.array(usageLimitView),
  defaultOutputTokens: z.number().optional().meta({ description: "Absent: the service's." }),
  threadRetentionDays: z
    .number()
    .optional()
    .meta({ description: 'Absent: threads are kept until somebody deletes them.' }),
  current: z.boolean().meta({ description: 'Whether your token is for this one.' }),
});
export const createTenantResponse = z.object({ tenant: tenantView, notice });
export const tenantResponse = z.object({ tenant: tenantView });
export const listTenantsResponse = z.object({ tenants: z.array(tenantView), nextPageToken: z.string() });
export const switchTenantResponse = z.object({
  tenant: z.object({ id: z.string(), orgId: z.string(), name: z.string(), createdAt: dateTime }),
  membership: membershipView,
});
