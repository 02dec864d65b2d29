import { z } from 'zod';
import { pageFields } from '../../platform/http/index.js';
import { integer, text } from '../../platform/protojson/index.js';
import { RETRY_REASONS } from './retry-reason.js';

const MAX_TARGETS = 8;
const MAX_WEIGHT = 1_000;
const STRATEGIES = ['FALLBACK', 'WEIGHTED'] as const;
export type RouteStrategy = (typeof STRATEGIES)[number];

const routeId = text(1, 64);
const name = text(1, 100)
  .refine(
    (value) => /^[A-Za-z0-9][A-Za-z0-9._:/-]*$/.test(value),
    'must be letters, digits, ".", "_", ":", "/" and "-", and begin with one of the first two',
  )
  .meta({
    description:
      'What callers send as `model`; it takes precedence over a model with the same name. Unique in the tenant.',
  });
const strategy = z.enum(STRATEGIES, `must be one of ${STRATEGIES.join(', ')}`).meta({
  description:
    '`FALLBACK`: the targets in order. `WEIGHTED`: the first target is chosen by weight, then the others follow in order.',
});
const target = z.strictObject({
  providerId: text(1, 64),
  model: text(1, 256).meta({ description: "The provider's own name for the model." }),
  weight: integer(0, MAX_WEIGHT)
    .default(1)
    .meta({ description: 'Its share of the calls of a `WEIGHTED` route; 0: only a fallback.' }),
});
const targets = z
  .array(target, 'must be a list of targets')
  .min(1, 'must have at least one target')
  .max(MAX_TARGETS, `must have at most ${MAX_TARGETS} targets`);
const retry = z
  .strictObject({
    attempts: integer(1, 5).default(2).meta({ description: 'How often a target is tried before the next one.' }),
    on: z
      .array(z.enum(RETRY_REASONS, `must be some of ${RETRY_REASONS.join(', ')}`), 'must be a list')
      .refine((named) => new Set(named).size === named.length, 'names a failure twice')
      .default([...RETRY_REASONS])
      .meta({ description: 'The failures after which the next try follows; empty: none.' }),
  })
  .meta({ description: 'Retries happen only before any of the answer reached the caller.' });

export const createRouteRequest = z.strictObject({
  name,
  strategy: strategy.default('FALLBACK'),
  targets,
  retry: retry.prefault({}),
});
export type CreateRouteRequest = z.output<typeof createRouteRequest>;
export type RouteTargetRequest = z.output<typeof target>;

export const listRoutesRequest = z.strictObject({
  search: text(0, 100).default('').meta({ description: 'Part of the name; case is ignored.' }),
  ...pageFields,
});
export type ListRoutesRequest = z.output<typeof listRoutesRequest>;

export const routeIdRequest = z.strictObject({ routeId });
export type RouteIdRequest = z.output<typeof routeIdRequest>;

export const updateRouteRequest = z.strictObject({
  routeId,
  name: name.optional(),
  strategy: strategy.optional(),
  targets: targets.optional().meta({ description: 'All of them anew.' }),
  retry: retry.optional().meta({ description: 'All of it anew.' }),
});
export type UpdateRouteRequest = z.output<typeof updateRouteRequest>;

const dateTime = z.string().meta({ format: 'date-time' });

const routeView = z
  .object({
    routeId: z.string(),
    name: z.string(),
    strategy: z.enum(STRATEGIES),
    targets: z.array(z.object({ providerId: z.string(), model: z.string(), weight: z.number() })),
    retry: z.object({ attempts: z.number(), on: z.array(z.enum(RETRY_REASONS)) }),
    createdAt: dateTime,
    updatedAt: dateTime,
  })
  .meta({ 'x-name': 'Route' });
export type RouteView = z.output<typeof routeView>;

export const createRouteResponse = z.object({
  route: routeView,
  notice: z
    .string()
    .optional()
    .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' }),
});
export const routeResponse = z.object({ route: routeView });
export const listRoutesResponse = z.object({ routes: z.array(routeView), nextPageToken: z.string() });
export const deleteRouteResponse = z.object({});
