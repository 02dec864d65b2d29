import type { Role } from '../../api/types.js';

const ROLES = ['owner', 'admin', 'developer', 'viewer'] as const satisfies readonly Role[];

/** What a role can name others to: owners alone name owners. */
export const rolesBelow = (role: Role | undefined): readonly Role[] => (role === 'owner' ? ROLES : ROLES.slice(1));
