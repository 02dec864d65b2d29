/** What we say about a user in the tokens of the dashboard's issuer. For display alone: rights come from our rows. */
export interface DashboardClaims {
  readonly tenant_id: string;
  readonly role: string;
}

/** The issuer has no such user: trying again won't help. */
export class UnknownUserError extends Error {
  constructor(options?: ErrorOptions) {
    super("The dashboard's issuer has no such user.", options);
    this.name = 'UnknownUserError';
  }
}

/** Writes our claims at the dashboard's issuer. Also the injection token. */
export abstract class ClaimsWriter {
  /**
   * Sets our two claims and leaves all others as they are; null takes ours away. Setting the same again is harmless, so
   * that a write of unknown outcome can be repeated. The caller (ClaimWrites) waits for one write of a user before it
   * begins the next.
   *
   * @throws UnknownUserError; any other error may pass
   */
  abstract setClaims(userId: string, claims: DashboardClaims | null): Promise<void>;
}

/** Of an issuer whose tokens carry nothing of ours: where a person is, our own rows say. */
export class NoClaimsWriter extends ClaimsWriter {
  setClaims(): Promise<void> {
    return Promise.resolve();
  }
}

/** The claims of a user with ours set or taken away, and nothing else touched. */
export function mergeClaims(
  existing: Readonly<Record<string, unknown>> | undefined,
  ours: DashboardClaims | null,
): Record<string, unknown> {
  const { tenant_id: _tenantId, role: _role, ...others } = existing ?? {};
  return ours === null ? others : { ...others, tenant_id: ours.tenant_id, role: ours.role };
}
