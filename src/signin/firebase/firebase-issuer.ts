import { JwksKeyStore, readJwksAnswer } from '../../platform/crypto/index.js';
import type { OutboundHttp } from '../../platform/outbound/index.js';
import { logger } from '../../platform/logging/index.js';
import type { AccountCheck } from '../account-status.js';
import type { DashboardIssuer } from '../dashboard.strategy.js';

const FETCH_LIMITS = { timeoutMs: 5_000, maxBytes: 256 * 1024 };

/**
 * The issuer of a Firebase project's ID tokens, with the keys that Firebase publishes for all projects.
 *
 * @param accounts absent: disabled and revoked users are not recognised, as in development without a service account
 */
export function firebaseIssuer(
  {
    projectId,
    jwksUrl,
    accounts,
  }: { readonly projectId: string; readonly jwksUrl: string; readonly accounts?: AccountCheck },
  outbound: Pick<OutboundHttp, 'fetchJson'>,
): DashboardIssuer {
  return {
    name: 'firebase',
    issuer: `https://securetoken.google.com/${projectId}`,
    audience: projectId,
    ...(accounts === undefined ? {} : { accounts }),
    keys: new JwksKeyStore({
      fetchJwks: async () => readJwksAnswer(await outbound.fetchJson(jwksUrl, FETCH_LIMITS)),
      allowedAlgorithms: ['RS256'],
      onFetchFailed: (error) => logger.warn({ err: error }, "Firebase's public keys could not be fetched."),
    }),
  };
}
