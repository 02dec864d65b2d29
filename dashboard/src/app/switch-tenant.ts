import { apiErrorOf } from '../api/api-error.js';
import { session } from '../session/session.js';

/**
 * Moves the user's one claim to another tenant, and this tab with it. It uses the tab's current token, because the client
 * itself sends nothing during the move.
 */
export async function switchTenant(tenantId: string): Promise<void> {
  const response = await fetch('/api/v1/tenants/switch', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${session.lastToken()}` },
    body: JSON.stringify({ tenantId }),
  });
  if (!response.ok) throw await apiErrorOf(response);
  await session.enter();
}
