import { createContext, useContext } from 'react';
import { ACCESS } from 'virtual:access';
import type { Me } from './types.js';

/** The signed-in person, within the shell of a tenant. */
export const MeContext = createContext<Me | null>(null);

export function useMe(): Me {
  const me = useContext(MeContext);
  if (me === null) throw new TypeError('This needs a signed-in user.');
  return me;
}

/** Whether a route is open to the user's role, by the API's own description. Pages hide what it does not allow. */
function may({ role, scopes }: Me, route: string): boolean {
  const rule = ACCESS[route];
  if (rule === undefined || role === undefined) return false;
  if (rule === true) return true;
  return 'roles' in rule ? rule.roles.includes(role) : scopes.some((scope) => scope === rule.scope);
}

export function useMay(): (route: string) => boolean {
  const me = useMe();
  return (route) => may(me, route);
}
