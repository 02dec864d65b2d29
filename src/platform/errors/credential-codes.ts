/** What a caller is told of a credential that was refused. */
interface CredentialCode {
  readonly message: string;
  /** When a 401 has the code: for docs/errors.md and OpenAPI. */
  readonly meaning: string;
  /** Whether there was a token that could be judged: only then the challenge says `invalid_token` (RFC 6750, section 3.1). */
  readonly isTokenJudged: boolean;
}

/**
 * The codes of 401. Guarantee: each but `invalid_credential` says only what the caller could find out from the request alone,
 * or from a token that was signed for the caller. Whether an API key exists, is revoked or has expired, none of them says.
 */
export const CREDENTIAL_CODES = {
  missing_credential: {
    message:
      'A credential is needed. Send it as "Authorization: Bearer <API key or token>", or an API key as "X-API-Key: <API key>".',
    meaning: 'The request has neither `Authorization` nor `X-API-Key`.',
    isTokenJudged: false,
  },
  wrong_scheme: {
    message: 'authorization: the scheme must be Bearer. Send "Authorization: Bearer <API key or token>".',
    meaning: '`Authorization` has another scheme than `Bearer`, or none.',
    isTokenJudged: false,
  },
  malformed_credential: {
    message:
      'The credential is malformed: it is neither a whole API key nor a JWT that names its issuer (iss). Check that all of it was copied.',
    meaning: 'The credential is neither a whole API key with the right check digits nor a JWT that names its issuer.',
    isTokenJudged: true,
  },
  expired_token: {
    message: 'The token has expired. Get a new one and send the request again.',
    meaning: 'A JWT or a usage token has a good signature and has expired, or the key of the usage token has.',
    isTokenJudged: true,
  },
  publishable_key_needs_user_token: {
    message:
      'A publishable key needs a token of the user beside it. Send "X-API-Key: <publishable key>" and "Authorization: Bearer <the user\'s token>".',
    meaning: 'A `pk_` key came without a JWT of the user beside it.',
    isTokenJudged: false,
  },
  invalid_credential: {
    message: 'The credential is not valid. Check that it is the right one and still in use, or make a new one.',
    meaning:
      'Everything else: an API key that is unknown, revoked or expired; a token with a bad signature, of another issuer or audience, or of a disabled account; a revoked usage token.',
    isTokenJudged: true,
  },
} as const satisfies Readonly<Record<string, CredentialCode>>;

export type CredentialCodeName = keyof typeof CREDENTIAL_CODES;

/** Whether the refusal with this code came from judging a token; a code of a room's own says that it did. */
export function isTokenJudged(code: string | undefined): boolean {
  const codes: Readonly<Record<string, CredentialCode>> = CREDENTIAL_CODES;
  return code === undefined || !Object.hasOwn(codes, code) || codes[code]?.isTokenJudged !== false;
}
