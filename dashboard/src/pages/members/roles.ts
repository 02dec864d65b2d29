import type { Role } from '../../api/types.js';

const ROLES = ['owner', 'admin', 'developer', 'viewer'] as const satisfies readonly Role[];

/** The roles that a role can give to others: only owners make owners. */
export const rolesBelow = (role: Role | undefined): readonly Role[] => (role === 'owner' ? ROLES : ROLES.slice(1));
