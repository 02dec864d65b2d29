import { randomUUID } from 'node:crypto';
import { rowsOf, type SeededTenant } from './sql.js';

/** Inserts an endpoint by SQL, with a secret and subscriptions to some types. @returns its id */
export async function seedEndpoint(
  superuserUrl: string,
  { tenantId }: SeededTenant,
  types: readonly string[] = ['usage.tracked'],
  id = `webhook_${randomUUID()}`,
): Promise<string> {
  await rowsOf(
    superuserUrl,
    "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ($1, $2, 'https://a.invalid/', 'x')",
    [id, tenantId],
  );
  await rowsOf(
    superuserUrl,
    'INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type) SELECT $1, $2, unnest($3::text[])',
    [tenantId, id, types],
  );
  await rowsOf(
    superuserUrl,
    "INSERT INTO webhook_secrets (id, tenant_id, endpoint_id, envelope, key_version) VALUES (gen_random_uuid(), $1, $2, '\\x00', 1)",
    [tenantId, id],
  );
  return id;
}
