/** People, their orgs and their requests. */
import type { Role } from '../../../src/identity/index.js';
import type { Answer, Identity, Org, ServiceClient } from '../../support/service.js';

const ALL_ROLES: readonly Role[] = ['owner', 'admin', 'developer', 'viewer'];

/** POSTs to the platform surface as a person, and returns any answer. */
export function post(
  service: ServiceClient,
  identity: Identity,
  route: string,
  body: unknown = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const authorization = `Bearer ${service.dashboardToken(identity)}`;
  return service.call('POST', `/api/v1/${route}`, { headers: { ...headers, authorization }, body });
}

/** A member of the org's first tenant, whose verified address is `<user>@example.com`. */
export function member({ tenantId }: Org, user: string): Identity {
  return { user, tenant: tenantId, claims: { email: `${user}@example.com` } };
}

/** A user whose token has no tenant. */
export function newcomer(user: string): Identity {
  return { user, claims: { email: `${user}@example.com` } };
}

/** The owner of an org. */
export const ownerOf = (org: Org): Identity => member(org, org.user);

/** Adds a user of each role except the founder's to an org: `<role>-of-<founder>`. */
export async function addEveryRole(service: ServiceClient, org: Org): Promise<Record<Role, Identity>> {
  for (const role of ALL_ROLES) {
    if (role !== 'owner') await service.addMember(org, `${role}-of-${org.user}`, role);
  }
  return {
    owner: ownerOf(org),
    admin: member(org, `admin-of-${org.user}`),
    developer: member(org, `developer-of-${org.user}`),
    viewer: member(org, `viewer-of-${org.user}`),
  };
}

export interface InvitedMember {
  readonly invitation: { readonly id: string; readonly email: string; readonly role: string };
  readonly link: string;
  readonly token: string;
}

/** Has the founder invite a person by `<user>@example.com`. */
export function invite(service: ServiceClient, org: Org, user: string, role: Role = 'viewer'): Promise<InvitedMember> {
  return service.asUser<InvitedMember>(ownerOf(org), 'orgs/invite-member', { email: `${user}@example.com`, role });
}
