import { ROLES, type Role } from '../identity/index.js';

/** Who manages people and tenants. */
export const MANAGERS: readonly Role[] = ['owner', 'admin'];

/** Whether a role may do all that the other may: the list of roles begins with the highest. */
export function isAtLeast(role: Role, other: Role): boolean {
  return ROLES.indexOf(role) <= ROLES.indexOf(other);
}
