/** What an issuer says of one of its users. */
export interface AccountStatus {
  readonly state: 'active' | 'disabled' | 'deleted';
  /** Tokens of a sign-in before this second are revoked; null: none are. */
  readonly tokensValidAfter: number | null;
}

/** Where an issuer's answers come from. */
export interface AccountStatusSource {
  /**
   * Asks once about some of the issuer's users, at most 100; a user who is missing in the answer does not exist.
   * Implementations bound it in time.
   * @throws whatever kept the issuer from answering
   */
  lookUp(userIds: readonly string[]): Promise<ReadonlyMap<string, AccountStatus>>;
}
