/** An issuer's answer about one of its users. */
export interface AccountStatus {
  readonly state: 'active' | 'disabled' | 'deleted';
  /** Tokens of a sign-in before this second are revoked; null: no tokens are. */
  readonly tokensValidAfter: number | null;
}

/** The source of an issuer's answers. */
export interface AccountStatusSource {
  /**
   * Asks once about at most 100 of the issuer's users; a user who is missing in the answer does not exist.
   * Implementations bound the time.
   *
   * @throws whatever kept the issuer from answering
   */
  lookUp(userIds: readonly string[]): Promise<ReadonlyMap<string, AccountStatus>>;
}
