import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SEALED_TOKEN_PREFIX, type AnonymousPrincipal, type SecretKeyPrincipal } from '../identity/index.js';
import type { QuotaLimits } from '../platform/config/index.js';
import { Revocations } from '../platform/database/index.js';
import { invalidField } from '../platform/errors/index.js';
import type { MintRequest } from './oauth-token.dto.js';
import { PublicHostnames } from './public-hostnames.js';
import { SealedKeys } from './sealed-keys.js';
import { claimsOf, MOST_TOKEN_BYTES } from './sealed-token.js';
import { secondsOfSpan } from './time-span.js';

const DEFAULT_SPAN = '2h';

type RequestLimits = NonNullable<MintRequest['requestAuthAndQuotas']['requestQuotas']>['globalRequestLimits'];

/** Makes sealed access tokens. Nothing of them is kept. */
@Injectable()
export class SealedTokensService {
  constructor(
    private readonly keys: SealedKeys,
    private readonly hostnames: PublicHostnames,
    private readonly revocations: Revocations,
  ) {}

  /**
   * @param hostname where the token is asked for, and will be good
   * @throws Fault invalid_input
   */
  async mint(
    principal: SecretKeyPrincipal | AnonymousPrincipal,
    hostname: string,
    { requestAuthAndQuotas, expirationTimeSpan }: MintRequest,
  ): Promise<{ readonly token: string; readonly jti: string }> {
    this.hostnames.assertKnown(hostname);
    const { requestQuotas, serviceSecrets } = requestAuthAndQuotas;
    const seconds = secondsOfSpan(expirationTimeSpan ?? DEFAULT_SPAN, 'expirationTimeSpan');
    const jti = randomUUID();
    const issuedAtMs = this.revocations.databaseNow();
    const claims = claimsOf({
      jti,
      hostname,
      issuedAtMs,
      expiresAtMs: issuedAtMs + seconds * 1000,
      tenantId: principal.tenantId,
      keyId: principal.kind === 'secretKey' ? principal.keyId : null,
      quotas:
        requestQuotas === null
          ? null
          : {
              global: limitsOf(requestQuotas.globalRequestLimits),
              client: limitsOf(requestQuotas.perClientRequestLimits),
            },
      secrets: serviceSecrets ?? [],
    });
    const token = SEALED_TOKEN_PREFIX + (await this.keys.seal('token', claims));
    if (token.length > MOST_TOKEN_BYTES) {
      throw invalidField(
        'requestAuthAndQuotas.serviceSecrets',
        `make a token of ${token.length} bytes, and one may have ${MOST_TOKEN_BYTES}: put fewer of them in it`,
      );
    }
    return { token, jti };
  }
}

function limitsOf({ requestsPerMinute, requestsPerHour, requestsPerDay }: RequestLimits): QuotaLimits {
  return [requestsPerMinute, requestsPerHour, requestsPerDay];
}
