import type { AccountPrincipal, DashboardUserPrincipal } from '../identity/index.js';
import type { MembershipDirectory } from './membership-directory.js';

const MAX_SUBJECT_LENGTH = 128;
const MAX_TENANT_ID_LENGTH = 64;
const MAX_EMAIL_LENGTH = 320;

/**
 * The principal of a token's subject. The role comes from our membership row, never from a claim, so that write
 * access to claims gains nothing.
 *
 * @param tenantId the person's tenant, by a claim or by our row; undefined or null: none. Without a membership there the result
 *   is an account that claims the tenant: the access guard refuses it (403) on all routes but the account's own.
 */
export async function principalOf(
  userId: string,
  { email, email_verified: emailVerified }: Readonly<Record<string, unknown>>,
  tenantId: unknown,
  memberships: MembershipDirectory,
): Promise<AccountPrincipal | DashboardUserPrincipal> {
  const person = {
    userId,
    email: isText(email, MAX_EMAIL_LENGTH) ? email : null,
    emailVerified: emailVerified === true,
  };
  if (tenantId === undefined || tenantId === null)
    return Object.freeze({ ...person, kind: 'account', claimsTenant: false });
  // A claim that can't be a tenant's id is not looked up; it does not count as an absent claim either.
  const isTenantId = isText(tenantId, MAX_TENANT_ID_LENGTH);
  const membership = isTenantId ? await memberships.find(tenantId, userId) : null;
  if (!isTenantId || membership === null) return Object.freeze({ ...person, kind: 'account', claimsTenant: true });
  return Object.freeze({ ...person, kind: 'dashboardUser', tenantId, role: membership.role });
}

export const isSubject = (value: unknown): value is string => isText(value, MAX_SUBJECT_LENGTH);

/** Text that Postgres stores unchanged: no U+0000, no half of a surrogate pair. */
function isText(value: unknown, maxLength: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxLength && !/\0|\p{Surrogate}/u.test(value);
}
