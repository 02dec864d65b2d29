import { CREDENTIAL_CODES, Fault, type CredentialCodeName } from '../platform/errors/index.js';

/**
 * The real reasons for which a credential is refused, each with the code that the caller gets. The reasons are for the log
 * and the metrics: a closed set, so that they can be a label.
 */
export const REFUSAL_CODES = {
  missing: 'missing_credential',
  wrong_scheme: 'wrong_scheme',
  no_bearer_token: 'malformed_credential',
  unknown_shape: 'malformed_credential',
  malformed_key: 'malformed_credential',
  malformed_jwt: 'malformed_credential',
  no_user_token: 'publishable_key_needs_user_token',
  unknown_or_revoked_key: 'invalid_credential',
  expired_key: 'invalid_credential',
  other_type_of_key: 'invalid_credential',
  unknown_issuer: 'invalid_credential',
  wrong_issuer: 'invalid_credential',
  wrong_audience: 'invalid_credential',
  wrong_tenant: 'invalid_credential',
  unknown_signing_key: 'invalid_credential',
  unsupported_header: 'invalid_credential',
  bad_signature: 'invalid_credential',
  bad_claims: 'invalid_credential',
  not_yet_valid: 'invalid_credential',
  expired_token: 'expired_token',
  account_disabled: 'invalid_credential',
  account_deleted: 'invalid_credential',
  sign_in_revoked: 'invalid_credential',
  unknown_or_revoked_usage_token: 'invalid_credential',
  usage_token_not_taken_here: 'invalid_credential',
  unreadable_sealed_token: 'invalid_credential',
  expired_sealed_token: 'invalid_credential',
  sealed_token_of_another_host: 'invalid_credential',
  revoked_sealed_token: 'invalid_credential',
  unknown_or_deleted_gateway_token: 'invalid_credential',
  token_of_another_gateway: 'invalid_credential',
  gateway_token_not_taken_here: 'invalid_credential',
  gone_meanwhile: 'invalid_credential',
  other: 'invalid_credential',
} as const satisfies Readonly<Record<string, CredentialCodeName>>;

export type RefusalReason = keyof typeof REFUSAL_CODES;

/** What the log may say of the credential beside the reason: names of it, never the credential. */
export interface RefusedNames {
  readonly keyId?: string;
  readonly keyPrefix?: string;
  readonly usageTokenId?: string;
  readonly gatewayTokenId?: string;
  readonly issuer?: string;
}

/** A credential that was refused. The caller gets the code's message; the reason and the names are for the log alone. */
export class RefusedCredential extends Fault {
  constructor(
    readonly reason: RefusalReason,
    readonly names: RefusedNames = {},
  ) {
    const code = REFUSAL_CODES[reason];
    super('unauthenticated', CREDENTIAL_CODES[code].message, { code });
  }
}

export function refusedCredential(reason: RefusalReason, names?: RefusedNames): RefusedCredential {
  return new RefusedCredential(reason, names);
}

/**
 * A credential that was good until it expired. It weighs nothing among failed authentications: an app whose token expired is
 * not an attacker. The caller of a signed token is told so, since its signature proves that it was good; for an API key or a
 * sealed token the answer is the same as for an unknown one.
 */
export class ExpiredCredentialFault extends RefusedCredential {
  constructor(reason: 'expired_token' | 'expired_key' | 'expired_sealed_token', names: RefusedNames = {}) {
    super(reason, names);
  }
}
