/** Every kind of credential that the matrix presents, and which of them every route that reads credentials refuses. */

/** Wrong in themselves, or refused by every route that reads credentials. */
export const REFUSED = {
  // Credentials that no verifier knows: 401.
  'a key that nobody has': 401,
  'a key with a bad checksum': 401,
  'a key cut short': 401,
  'a revoked key': 401,
  'an expired key': 401,
  'the old secret of a rotated key': 401,
  'a sealed access token that nobody sealed': 401,
  // Section 4: "failed, expired, wrong host: 401"; with an `sk_` it "dies with the key".
  'a sealed access token of a revoked key': 401,
  'a sealed access token of another host': 401,
  'garbage as bearer': 401,
  'an empty bearer': 401,
  'basic authorization': 401,
  'an expired token': 401,
  'an unsigned token': 401,
  'a token signed by a stranger': 401,
  'a token of another audience': 401,
  'a token of another issuer': 401,
  'a token of the development issuer': 401,
  // Section 3: "Expired or revoked: 401"; the key's end is the token's.
  'an expired usage token': 401,
  'a revoked usage token': 401,
  'a usage token of a revoked key': 401,
  'a usage token of an expired key': 401,
  'a usage token of an erased human': 401,
  'a usage token that was tampered with': 401,
  'a usage token signed by a stranger': 401,
  'an unsigned usage token': 401,
  'a dashboard token that says it is a usage token': 401,
  'a publishable key beside a usage token': 401,
  // "Both needed; neither alone suffices", and each must be good.
  'a publishable key alone': 401,
  'a publishable key as bearer': 401,
  "a user's token alone": 401,
  'a publishable key that nobody has beside a good user token': 401,
  'a revoked publishable key beside a good user token': 401,
  'an expired publishable key beside a good user token': 401,
  'a publishable key beside a secret one': 401,
  'a publishable key beside a dashboard token': 401,
  'a publishable key beside an expired user token': 401,
  'a publishable key beside an unsigned user token': 401,
  'a publishable key beside a user token signed by a stranger': 401,
  'a publishable key beside a user token of another audience': 401,
  'a publishable key beside a user token without a subject': 401,
  "a publishable key beside a user token of another tenant's issuer": 401,
  // "`tenant_id` of another tenant: 403"; "another Origin sent: 403".
  'a publishable key beside a user token that names another tenant': 403,
  'an end user from another origin': 403,
  // Two identities in one request: 400, even where one of them is invalid.
  'a key beside a token': 400,
  'a revoked key beside a good token': 400,
  'a key beside another key': 400,
  'a key beside a publishable one': 400,
  'a token twice': 400,
  'a key beside a usage token': 400,
  // Acting for a human without the right to: 403, never ignored.
  'a key without users:impersonate on behalf of a human': 403,
  'a token on behalf of a human': 403,
  'an end user on behalf of a human': 403,
  'a usage token on behalf of a human': 403,
  'a token with a human to charge': 403,
  'an end user with another human to charge': 403,
  'a usage token with another human to charge': 403,
  // "Blank: 400"; "both there and different: 400".
  'a key on behalf of a blank': 400,
  'a key with a blank to charge': 400,
  'a key with two different humans': 400,
} as const;

/** The codes of credentials that get 401 for another reason than not being valid, from docs/errors.md. */
const CODES: Partial<Record<Credential, string>> = {
  nothing: 'missing_credential',
  'a key with a bad checksum': 'malformed_credential',
  'a key cut short': 'malformed_credential',
  'garbage as bearer': 'malformed_credential',
  'an empty bearer': 'malformed_credential',
  'basic authorization': 'wrong_scheme',
  'an expired token': 'expired_token',
  'an expired usage token': 'expired_token',
  'a usage token of an expired key': 'expired_token',
  'a publishable key alone': 'publishable_key_needs_user_token',
  'a publishable key as bearer': 'publishable_key_needs_user_token',
  'a publishable key beside a secret one': 'publishable_key_needs_user_token',
  'a publishable key beside an expired user token': 'expired_token',
};

/** The code of a 401 to this credential. */
export function codeOfRefusal(credential: Credential, dialect: string): string {
  if (dialect === 'gateway') return 'invalid_authentication_token';
  return CODES[credential] ?? 'invalid_credential';
}

/** Good credentials, or no credential: each route decides their answer. */
const RECOGNISED = [
  'nothing',
  'a key with every scope',
  'a key with chat:write alone',
  'a key with every scope but chat:write',
  'a key without scopes',
  'a key as bearer',
  'a key in both headers',
  'a rotated key',
  "another tenant's key",
  'a key with a human to charge',
  'a key with every scope on behalf of a human',
  'a key with every scope on behalf of the human that it charges',
  'a key with users:impersonate alone on behalf of a human',
  'an end user',
  'an end user from an allowed origin',
  'an end user who says whom to charge',
  'an end user by a key without scopes',
  "another tenant's end user",
  'a usage token',
  'a usage token that says whom to charge',
  'a usage token of a rotated key',
  'a usage token of a key with chat:write alone',
  'a usage token of a key that was narrowed to usage:read',
  'a usage token of a key without scopes',
  "another tenant's usage token",
  'a sealed access token',
  'a sealed access token made without a key',
  "another tenant's sealed access token",
  'a gateway token',
  "another tenant's gateway token",
  // Dashboard tokens without a tenant, or without a membership in the one they claim.
  'an account',
  'a token of a tenant that does not exist',
  "a token of a tenant by another tenant's owner",
  'a token of a tenant by a removed member',
  // Dashboard tokens of members.
  'an owner',
  "an owner of both tenants, with the one's token",
  'an admin',
  'a developer',
  'a viewer',
  'a viewer whose token says owner',
] as const;

type RefusedCredential = keyof typeof REFUSED;
export type RecognisedCredential = (typeof RECOGNISED)[number];
export type Credential = RefusedCredential | RecognisedCredential;

export const CREDENTIALS: readonly Credential[] = [...RECOGNISED, ...(Object.keys(REFUSED) as RefusedCredential[])];

/**
 * Here a verifier knows the key. The answers carry the rate limit headers, "on every response once an API key is recognised,
 * errors included" (section 2), even where the token beside a publishable key is refused.
 */
export const KEYS_RECOGNISED: ReadonlySet<Credential> = new Set<Credential>([
  'a key with every scope',
  'a key with chat:write alone',
  'a key with every scope but chat:write',
  'a key without scopes',
  'a key as bearer',
  'a key in both headers',
  'a rotated key',
  "another tenant's key",
  'a key with a human to charge',
  'a key with every scope on behalf of a human',
  'a key with every scope on behalf of the human that it charges',
  'a key with users:impersonate alone on behalf of a human',
  'an end user',
  'an end user from an allowed origin',
  'an end user who says whom to charge',
  'an end user by a key without scopes',
  "another tenant's end user",
  'a usage token',
  'a usage token that says whom to charge',
  'a usage token of a rotated key',
  'a usage token of a key with chat:write alone',
  'a usage token of a key that was narrowed to usage:read',
  'a usage token of a key without scopes',
  "another tenant's usage token",
  'a usage token on behalf of a human',
  'a usage token with another human to charge',
  'a publishable key beside a usage token',
  'a publishable key beside a dashboard token',
  'a publishable key beside an expired user token',
  'a publishable key beside an unsigned user token',
  'a publishable key beside a user token signed by a stranger',
  'a publishable key beside a user token of another audience',
  'a publishable key beside a user token without a subject',
  "a publishable key beside a user token of another tenant's issuer",
  'a publishable key beside a user token that names another tenant',
  'an end user from another origin',
  'a key without users:impersonate on behalf of a human',
  'an end user on behalf of a human',
  'an end user with another human to charge',
  'a key on behalf of a blank',
  'a key with a blank to charge',
  'a key with two different humans',
]);
