import { isScope } from '../identity/index.js';
import type { Settings } from '../platform/config/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import type { KeyView } from './keys.dto.js';
import type { ApiKeyRecord, KeyDetails } from './keys.repository.js';
import { rateThatHolds } from './rate-ceiling.js';
import { viewLimits } from '../limits/index.js';

/** The limits of keys without their own, and the most that a key can have. */
export type KeyDefaults = Pick<Settings, 'requestsPerMinute' | 'requestsPerMinutePerHuman' | 'mostRequestsPerMinute'>;

/**
 * @param now the database's time, by which expiry is judged
 * @param details absent: the key was just made or rotated
 */
export function viewKey(record: ApiKeyRecord, defaults: KeyDefaults, now: Date, details?: KeyDetails): KeyView {
  const { createdBy, rotatedAt } = record;
  const email = details?.emails.get(createdBy);
  const oldSecretsEndAt = details?.oldSecretsEndAt.get(record.id);
  const isPublishable = record.type === 'PUBLISHABLE';
  return {
    keyId: record.id,
    keyPrefix: record.keyPrefix,
    type: isPublishable ? 'PUBLISHABLE' : 'SECRET',
    name: record.name,
    description: record.description,
    permissions: record.scopes.filter(isScope),
    models: record.models,
    rateLimit: {
      requestsPerMinute: rateThatHolds(
        record.requestsPerMinute,
        defaults.requestsPerMinute,
        defaults.mostRequestsPerMinute,
      ),
      // A secret key shows this only if it is set, since most never make a usage token.
      ...(isPublishable || record.requestsPerMinutePerHuman !== null
        ? {
            requestsPerMinutePerHuman: rateThatHolds(
              record.requestsPerMinutePerHuman,
              defaults.requestsPerMinutePerHuman,
              defaults.mostRequestsPerMinute,
            ),
          }
        : {}),
    },
    status: statusOf(record, now),
    createdAt: formatTimestamp(record.createdAt),
    createdBy: { userId: createdBy, ...(email === undefined ? {} : { email }) },
    ...(rotatedAt === null ? {} : { rotatedAt: formatTimestamp(rotatedAt) }),
    ...(oldSecretsEndAt === undefined ? {} : { oldSecretsExpireAt: formatTimestamp(oldSecretsEndAt) }),
    ...(record.expiresAt === null ? {} : { expiresAt: formatTimestamp(record.expiresAt) }),
    ...(record.lastUsedAt === null ? {} : { lastUsedAt: formatTimestamp(record.lastUsedAt) }),
    ...(isPublishable ? viewPublishable(record) : {}),
    ...(record.defaultOutputTokens === null ? {} : { defaultOutputTokens: record.defaultOutputTokens }),
  };
}

function viewPublishable(record: ApiKeyRecord): Partial<KeyView> {
  const { oidcIssuer, oidcAudience, oidcJwksUri, humanPrefix } = record;
  const oidcConfig =
    oidcIssuer === null || oidcAudience === null
      ? undefined
      : {
          issuer: oidcIssuer,
          audience: oidcAudience,
          ...(oidcJwksUri === null ? {} : { jwksUri: oidcJwksUri }),
          humanPrefix,
        };
  return {
    ...(oidcConfig === undefined ? {} : { oidcConfig }),
    allowedOrigins: record.allowedOrigins,
    defaultLimits: viewLimits(record.defaultLimits),
    unlimited: record.unlimited,
  };
}

function statusOf({ revokedAt, expiresAt }: ApiKeyRecord, now: Date): KeyView['status'] {
  if (revokedAt !== null) return 'REVOKED';
  return expiresAt !== null && expiresAt <= now ? 'EXPIRED' : 'ACTIVE';
}
