import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SEALED_TOKEN_PREFIX, type AnonymousPrincipal, type SecretKeyPrincipal } from '../identity/index.js';
import type { QuotaLimits } from '../platform/config/index.js';
import { PepperRing } from '../platform/crypto/index.js';
import { Database, Revocations } from '../platform/database/index.js';
import { invalidField } from '../platform/errors/index.js';
import { sourceOf } from '../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer, type IdempotentWork } from '../platform/idempotency/index.js';
import type { MintRequest } from './oauth-token.dto.js';
import { PublicHostnames } from './public-hostnames.js';
import { SealedKeys } from './sealed-keys.js';
import { claimsOf, MOST_TOKEN_BYTES } from './sealed-token.js';
import { secondsOfSpan } from './time-span.js';

const DEFAULT_SPAN = '2h';

type RequestLimits = NonNullable<MintRequest['requestAuthAndQuotas']['requestQuotas']>['globalRequestLimits'];

type MintingPrincipal = SecretKeyPrincipal | AnonymousPrincipal;

/** The circumstances of a request for a token. */
interface Asking {
  /** The host name at which the token will be accepted. */
  readonly hostname: string;
  readonly address: string;
  readonly idempotencyKey: string | null;
}

/** Makes sealed access tokens. They are not stored; for a request with an Idempotency-Key the token's `jti` is. */
@Injectable()
export class SealedTokensService {
  constructor(
    private readonly keys: SealedKeys,
    private readonly hostnames: PublicHostnames,
    private readonly revocations: Revocations,
    private readonly database: Database,
    private readonly idempotency: IdempotencyKeys,
    private readonly peppers: PepperRing,
  ) {}

  /** @throws Fault invalid_input; conflict: the Idempotency-Key was used for another request */
  async mintOnce(principal: MintingPrincipal, asking: Asking, request: MintRequest): Promise<IdempotentAnswer> {
    const { hostname, idempotencyKey } = asking;
    const owner = this.ownerOf(principal, asking.address);
    const idempotent = this.idempotency.request(owner, idempotencyKey, 'oauth/token', { hostname, request });
    if (idempotent === null) return { body: (await this.mint(principal, hostname, request)).body, replayed: false };
    return this.database.withTenant(principal.tenantId, (tx) =>
      this.idempotency.once(tx, idempotent, principal.tenantId, () => this.mint(principal, hostname, request)),
    );
  }

  /** A caller without a credential is known by its address alone, so that strangers do not share an Idempotency-Key. */
  private ownerOf(principal: MintingPrincipal, address: string): string {
    if (principal.kind === 'secretKey') return `tenant:${principal.tenantId}:key:${principal.keyId}`;
    return `anonymous:${this.peppers.hash(`sealed-client\0${sourceOf(address)}`).toString('base64url')}`;
  }

  /** @throws Fault invalid_input */
  private async mint(
    principal: MintingPrincipal,
    hostname: string,
    { requestAuthAndQuotas, expirationTimeSpan }: MintRequest,
  ): Promise<IdempotentWork> {
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
    const kept = { token_type: 'Bearer', jti };
    return { body: { access_token: token, ...kept }, kept };
  }
}

function limitsOf({ requestsPerMinute, requestsPerHour, requestsPerDay }: RequestLimits): QuotaLimits {
  return [requestsPerMinute, requestsPerHour, requestsPerDay];
}
