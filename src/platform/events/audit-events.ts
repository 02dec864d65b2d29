import { z } from 'zod';

const names = z.array(z.string()).readonly();
const changed = z.strictObject({ changed: names.meta({ description: 'The fields that were changed.' }) });
const fields = names.meta({ description: 'The fields that were changed.' });
const nothing = z.strictObject({});
const limits = z
  .array(z.object({ type: z.string(), microUnits: z.unknown() }))
  .readonly()
  .meta({ description: 'Each type with its value in millionths of a unit; null: the limit was removed.' });
const defaultLimits = limits.optional();
const issuer = z.unknown().meta({ description: 'Issuer, audience, JWKS address and prefix of humans.' });
const budget = {
  holder: z.string().meta({ description: '`tenant`, or `key:`, `human:`, `gateway:` or `gateway_token:` with an id.' }),
  type: z.string(),
  period: z.string(),
};
const tokens = z.number().meta({ description: 'How many tokens it was done to.' });

/** What the audit log can hold: when each action is written, and what its `details` say. */
export const AUDIT_EVENTS = {
  'org.created': { when: 'An org was created.', details: nothing },
  'org.updated': { when: 'An org was renamed, or its slug changed.', details: z.strictObject({ fields }) },
  'member.invited': {
    when: 'Somebody was invited to the org.',
    details: z.strictObject({ role: z.string() }),
  },
  'member.joined': {
    when: 'An invitation was accepted.',
    details: z.strictObject({ role: z.string(), invitationId: z.string() }),
  },
  'member.updated': {
    when: "A member's role was changed.",
    details: z.strictObject({ from: z.string(), to: z.string() }),
  },
  'member.removed': { when: 'A member was removed.', details: z.strictObject({ role: z.string() }) },
  'invitation.revoked': { when: 'An invitation was revoked, or replaced by a newer one.', details: nothing },
  'tenant.created': { when: 'A tenant was created.', details: z.strictObject({ defaultLimits }) },
  'tenant.updated': { when: 'A tenant was changed.', details: z.strictObject({ fields, defaultLimits }) },
  'tenant.deleted': { when: 'A tenant was deleted with everything it had.', details: nothing },
  'key.created': {
    when: 'An API key was created.',
    details: z.strictObject({ type: z.string(), permissions: names, issuer: issuer.optional() }),
  },
  'key.updated': {
    when: 'An API key was changed.',
    details: z.strictObject({
      changed: names.meta({ description: 'The fields that were changed.' }),
      oldIssuer: issuer.optional(),
      newIssuer: issuer.optional(),
    }),
  },
  'key.rotated': {
    when: 'An API key got a new secret.',
    details: z.strictObject({ gracePeriodSeconds: z.number() }),
  },
  'key.revoked': { when: 'An API key was revoked.', details: nothing },
  'human.created': { when: 'A human was created with `/api/v1/humans/upsert`.', details: nothing },
  'human.deleted': { when: 'A human was erased.', details: nothing },
  'limits.set': { when: 'Limits of a human were set or removed.', details: z.strictObject({ limits }) },
  'budget.set': {
    when: 'A budget was created or changed.',
    details: z.strictObject({
      ...budget,
      timeZone: z.string(),
      models: names,
      limit: z.string(),
      raise: z
        .object({ by: z.string(), until: z.string() })
        .nullable()
        .optional()
        .meta({ description: 'A temporary raise of the limit.' }),
    }),
  },
  'budget.deleted': { when: 'A budget was deleted.', details: z.strictObject(budget) },
  'usage_token.created': {
    when: 'A usage token was created for a human.',
    details: z.strictObject({ ttlSeconds: z.number() }),
  },
  'usage_token.updated': {
    when: "The life of a human's usage tokens was changed.",
    details: z.strictObject({ ttlSeconds: z.number(), tokens }),
  },
  'usage_token.revoked': { when: "A human's usage tokens were revoked.", details: z.strictObject({ tokens }) },
  'llm_provider.created': {
    when: 'A model provider was added.',
    details: z.strictObject({ name: z.string(), kind: z.string() }),
  },
  'llm_provider.updated': {
    when: 'A model provider was changed.',
    details: changed.extend({ enabled: z.boolean().optional() }),
  },
  'llm_provider.deleted': { when: 'A model provider was deleted.', details: nothing },
  'llm_route.created': {
    when: 'A route was created.',
    details: z.strictObject({ name: z.string(), strategy: z.string() }),
  },
  'llm_route.updated': { when: 'A route was changed.', details: changed },
  'llm_route.deleted': { when: 'A route was deleted.', details: nothing },
  'model.updated': {
    when: 'The tenant overrode facts or prices of a model.',
    details: z.record(z.string(), z.unknown()),
  },
  'model.reset': {
    when: "The tenant's overrides of a model were removed.",
    details: z.record(z.string(), z.unknown()),
  },
  'gateway.created': {
    when: 'A gateway was created.',
    details: z.strictObject({ name: z.string(), authenticated: z.boolean() }),
  },
  'gateway.updated': { when: 'A gateway was changed.', details: changed },
  'gateway.deleted': { when: 'A gateway was deleted with its tokens.', details: nothing },
  'gateway_token.created': {
    when: 'A token of a gateway was created.',
    details: z.strictObject({ gatewayId: z.string(), name: z.string() }),
  },
  'gateway_token.updated': {
    when: 'A token of a gateway was changed.',
    details: changed.extend({ gatewayId: z.string() }),
  },
  'gateway_token.deleted': {
    when: 'A token of a gateway was deleted.',
    details: z.strictObject({ gatewayId: z.string() }),
  },
  'webhook_endpoint.created': {
    when: 'A webhook endpoint was created.',
    details: z.strictObject({ events: names }),
  },
  'webhook_endpoint.updated': {
    when: 'A webhook endpoint was changed.',
    details: changed.extend({ enabled: z.boolean().optional() }),
  },
  'webhook_endpoint.secret_rotated': {
    when: 'A webhook endpoint got a new secret.',
    details: z.strictObject({ gracePeriodSeconds: z.number(), changed: names.optional() }),
  },
  'webhook_endpoint.disabled': {
    when: 'A webhook endpoint failed for too long, or answered 410, and was disabled.',
    details: z.strictObject({ reason: z.enum(['FAILING', 'GONE']) }),
  },
  'webhook_endpoint.deleted': { when: 'A webhook endpoint was deleted.', details: nothing },
  'request.impersonated': {
    when: 'A key called as a human, with `X-On-Behalf-Of`. `resource.id` is the route.',
    details: nothing,
  },
} as const satisfies Readonly<Record<string, { readonly when: string; readonly details: z.ZodType }>>;

export type AuditAction = keyof typeof AUDIT_EVENTS;

/** What an action's event says beside who did it to what. */
export type AuditDetails<Action extends AuditAction> = z.input<(typeof AUDIT_EVENTS)[Action]['details']>;
