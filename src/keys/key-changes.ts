import { isDeepStrictEqual } from 'node:util';
import { Fault, invalidField } from '../platform/errors/index.js';
import { PUBLISHABLE_SCOPES, type OidcConfigRequest, type UpdateKeyRequest } from './keys.dto.js';
import type { ApiKeyChanges, ApiKeyColumns, ApiKeyRecord } from './keys.repository.js';
import type { StoredLimit } from '../limits/index.js';

export interface KeyChanges {
  /** The request's fields that change something. */
  readonly fields: readonly string[];
  readonly columns: ApiKeyChanges;
}

/**
 * The changes that a request makes to a key.
 *
 * @throws Fault invalid_input: a field that this type of key does not have
 */
export function changesOf(before: ApiKeyRecord, request: UpdateKeyRequest): KeyChanges {
  if (before.type === 'PUBLISHABLE') refuseSecretOnly(request);
  else refusePublishableOnly(request);
  const wanted = Object.entries(wantedBy(before, request)).filter(([, columns]) => differs(before, columns));
  return {
    fields: wanted.map(([field]) => field),
    columns: Object.assign({}, ...wanted.map(([, columns]) => columns)) as ApiKeyChanges,
  };
}

export function oidcColumns({ issuer, audience, jwksUri, humanPrefix }: OidcConfigRequest): ApiKeyChanges {
  return { oidcIssuer: issuer, oidcAudience: audience, oidcJwksUri: jwksUri || null, humanPrefix };
}

/**
 * The limits of humans who use a key, or that they are unlimited. The request must choose one: the tenant would
 * pay for a forgotten limit.
 *
 * @throws Fault invalid_input
 */
export function limitColumns(
  limits: readonly StoredLimit[] = [],
  unlimited = false,
): Pick<ApiKeyColumns, 'defaultLimits' | 'unlimited'> {
  if (unlimited && limits.length > 0) throw invalidField('unlimited', 'must not be sent together with defaultLimits');
  if (!unlimited && limits.length === 0) throw invalidField('defaultLimits', 'is required, unless unlimited is true');
  return { defaultLimits: unlimited ? null : limits, unlimited };
}

/** Keyed by the request's field. */
function wantedBy(before: ApiKeyRecord, request: UpdateKeyRequest): Record<string, ApiKeyChanges> {
  const { name, description, permissions, rateLimit, expiresAt, neverExpires, oidcConfig, allowedOrigins } = request;
  const { defaultOutputTokens, models } = request;
  return {
    ...(name === undefined ? {} : { name: { name } }),
    ...(description === undefined ? {} : { description: { description } }),
    ...(permissions === undefined ? {} : { permissions: { scopes: permissions } }),
    ...(models === undefined ? {} : { models: { models } }),
    ...(rateLimit === undefined ? {} : { rateLimit: rateColumns(rateLimit) }),
    ...(defaultOutputTokens === undefined ? {} : { defaultOutputTokens: outputColumns(defaultOutputTokens) }),
    ...(expiresAt === undefined && !neverExpires ? {} : { expiresAt: { expiresAt: expiresAt ?? null } }),
    ...(oidcConfig === undefined ? {} : { oidcConfig: oidcColumns(oidcConfig) }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins: { allowedOrigins } }),
    ...wantedLimits(before, request),
  };
}

function wantedLimits(before: ApiKeyRecord, request: UpdateKeyRequest): Record<string, ApiKeyChanges> {
  if (request.defaultLimits === undefined && !request.unlimited) {
    // `unlimited: false` alone changes nothing for a key with limits, and names no limits for a key without.
    if (request.unlimited === false && before.unlimited) {
      throw invalidField('unlimited', 'can be false only together with defaultLimits');
    }
    return {};
  }
  const { defaultLimits, unlimited } = limitColumns(request.defaultLimits, request.unlimited);
  return { defaultLimits: { defaultLimits }, unlimited: { unlimited } };
}

/** 0, the default of the wire format, stands for the service's own default. */
export function rateColumns(rateLimit: UpdateKeyRequest['rateLimit'] = {}): ApiKeyChanges {
  const { requestsPerMinute, requestsPerMinutePerHuman } = rateLimit;
  return {
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute: requestsPerMinute || null }),
    ...(requestsPerMinutePerHuman === undefined
      ? {}
      : { requestsPerMinutePerHuman: requestsPerMinutePerHuman || null }),
  };
}

/** 0, the default of the wire format, stands for the tenant's default. */
export function outputColumns(defaultOutputTokens = 0): ApiKeyChanges {
  return { defaultOutputTokens: defaultOutputTokens || null };
}

function differs(before: ApiKeyRecord, columns: ApiKeyChanges): boolean {
  return Object.entries(columns).some(
    ([column, value]) => !isDeepStrictEqual(before[column as keyof ApiKeyRecord], value),
  );
}

function refuseSecretOnly({ permissions = [] }: UpdateKeyRequest): void {
  const refused = permissions.filter((scope) => !(PUBLISHABLE_SCOPES as readonly string[]).includes(scope));
  if (refused.length === 0) return;
  throw invalidField('permissions', `a publishable key can hold only ${PUBLISHABLE_SCOPES.join(', ')}`);
}

function refusePublishableOnly(request: UpdateKeyRequest): void {
  const { oidcConfig, allowedOrigins, defaultLimits, unlimited } = request;
  const given = Object.entries({
    oidcConfig,
    allowedOrigins,
    defaultLimits,
    unlimited,
  }).filter(([, value]) => value !== undefined);
  if (given.length === 0) return;
  const reason = 'is only for publishable keys';
  throw new Fault('invalid_input', given.map(([field]) => `${field}: ${reason}`).join('; '), {
    fields: given.map(([field]) => ({ field, reason })),
  });
}
