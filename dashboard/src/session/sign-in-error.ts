/** Why a sign-in at the issuer came to nothing. */
export type SignInFailure =
  /** The user or the issuer said no. */
  | 'denied'
  /** Another refusal of the issuer's; the detail has its own words. */
  | 'refused'
  /** The answer is not for the sign-in that this tab began, or it is not what the standard says. */
  | 'mismatch'
  /** The answer is for a sign-in that another tab began, or none. */
  | 'elsewhere'
  /** The browser opened no window. */
  | 'blocked';

export class SignInError extends Error {
  constructor(
    readonly failure: SignInFailure,
    readonly detail = '',
    options?: ErrorOptions,
  ) {
    super(failure, options);
    this.name = 'SignInError';
  }
}

/** The issuer renews the tokens no longer: the user has to sign in again. */
export class SignInEndedError extends Error {
  constructor(options?: ErrorOptions) {
    super('ended', options);
    this.name = 'SignInEndedError';
  }
}
