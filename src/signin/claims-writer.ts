/** The claims that this service writes into tokens of the dashboard's issuer. For display alone: rights come from our rows. */
export interface DashboardClaims {
  readonly tenant_id: string;
  readonly role: string;
}

/** The issuer does not have this user: another try won't help. */
export class UnknownUserError extends Error {
  constructor(options?: ErrorOptions) {
    super("The dashboard's issuer has no such user.", options);
    this.name = 'UnknownUserError';
  }
}

/** Writes our claims at the dashboard's issuer. Also its injection token. */
export abstract class ClaimsWriter {
  /**
   * Sets our two claims and leaves all others as they are; null removes ours. A repeated write is harmless, so that one with an
   * unknown outcome can be sent again. The caller (ClaimWrites) waits for a user's write before it begins the next.
   *
   * @throws UnknownUserError; any other error may be temporary
   */
  abstract setClaims(userId: string, claims: DashboardClaims | null): Promise<void>;
}

/** For an issuer whose tokens carry no claims of ours: our own rows say in which tenant a person is. */
export class NoClaimsWriter extends ClaimsWriter {
  setClaims(): Promise<void> {
    return Promise.resolve();
  }
}

/** A user's claims with ours set or removed, and all others unchanged. */
export function mergeClaims(
  existing: Readonly<Record<string, unknown>> | undefined,
  ours: DashboardClaims | null,
): Record<string, unknown> {
  const { tenant_id: _tenantId, role: _role, ...others } = existing ?? {};
  return ours === null ? others : { ...others, tenant_id: ours.tenant_id, role: ours.role };
}
