/** Tries to reach one tenant's things as another. Runs against any started service, whatever is switched off in it. */
import { SCOPES } from '../../src/identity/index.js';
import type { Answer, ServiceClient } from '../support/service.js';
import { ROUTES, type Credential, type Things } from './access.expected.js';
import type { World } from './access-world.js';

const CALLERS = [
  'an owner',
  'an admin',
  'a developer',
  'a viewer',
  "an owner of both tenants, with the one's token",
  'a key with every scope',
] as const satisfies readonly Credential[];

/** Everything that goes wrong, told in words; an empty list is a pass. */
export async function crossTenantLeaks(client: ServiceClient, world: World): Promise<string[]> {
  const { b } = world;
  const theirs = await client.createKey(b, { name: 'Their very own key', scopes: SCOPES });
  const revoked = await client.createKey(b, { name: 'Their revoked key' });
  await client.asUser({ user: b.user, tenant: b.tenantId }, 'api-keys/revoke', { keyId: revoked.keyId });
  const rowsBefore = await rowsOf(client, b.tenantId);

  const leaks: string[] = [];
  // What names B, its people or its things; an answer to A holds none of it.
  const marks = [b.tenantId, b.orgId, b.user, theirs.keyId, revoked.keyId, 'Their very own key', 'Their revoked key'];

  for (const [route, { requests, resource, expected }] of Object.entries(ROUTES)) {
    for (const request of requests) {
      for (const caller of CALLERS) {
        const headers = { ...(await world.headersOf(caller)), ...REQUEST_ID };
        const send = (things: Things): Promise<Answer> =>
          client.call(request.method, request.path, { headers, body: request.body?.(things) });
        for (const keyId of resource === undefined ? [theirs.keyId] : [theirs.keyId, revoked.keyId]) {
          const answer = await send({ ...world.thingsOf('an owner'), keyId, spareKeyId: keyId });
          const cell = `${route}, ${caller}, ${keyId === theirs.keyId ? 'a key' : 'a revoked key'} of another tenant`;
          const seen = marks.filter((mark) => answer.text.includes(mark));
          if (seen.length > 0) leaks.push(`${cell}: the answer ${answer.status} shows ${seen.join(', ')}`);
          if (resource === undefined) continue;
          const missing = await send({ ...world.thingsOf('an owner'), keyId: MISSING, spareKeyId: MISSING });
          // Whoever may do it to an own one hears that there is none; the others hear what they hear anyway.
          const status = expected[caller] === 200 ? 404 : expected[caller];
          if (answer.status !== status) leaks.push(`${cell}: expected ${status}, got ${answer.status} ${answer.text}`);
          if (told(answer) !== told(missing)) {
            leaks.push(`${cell}: told apart from a missing one:\n  ${told(answer)}\n  ${told(missing)}`);
          }
        }
      }
    }
  }
  leaks.push(...(await listLeaks(client, world, marks)));
  const rowsAfter = await rowsOf(client, b.tenantId);
  if (rowsAfter !== rowsBefore) leaks.push(`another tenant's rows were changed:\n  ${rowsBefore}\n  ${rowsAfter}`);
  return leaks;
}

/** Of the form of an id, and nobody's. */
const MISSING = 'key_00000000000000000000';

/** The same for all, so that two answers can be compared byte by byte. */
const REQUEST_ID = { 'x-request-id': 'cross-tenant' };

/** Status, headers and body, without what counts on from one request to the next. */
function told({ status, headers, text }: Answer): string {
  const counters = ['date', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'ratelimit', 'connection', 'keep-alive'];
  return JSON.stringify({ status, shown: Object.entries(headers).filter(([name]) => !counters.includes(name)), text });
}

/** Every page of A's list, and the list by a page token that is B's. */
async function listLeaks(client: ServiceClient, world: World, marks: readonly string[]): Promise<string[]> {
  const { a, b } = world;
  const leaks: string[] = [];
  const asA = { user: a.user, tenant: a.tenantId };
  const listed: string[] = [];
  let pageToken = '';
  do {
    const page: Page = await client.asUser<Page>(asA, 'api-keys/list', { pageSize: 2, pageToken });
    const seen = marks.filter((mark) => JSON.stringify(page).includes(mark));
    if (seen.length > 0) leaks.push(`api-keys/list shows ${seen.join(', ')}`);
    listed.push(...page.apiKeys.map(({ keyId }) => keyId));
    ({ nextPageToken: pageToken } = page);
  } while (pageToken !== '');
  const own = await client.sql<{ id: string }>('SELECT id FROM api_keys WHERE tenant_id = $1', [a.tenantId]);
  if (
    listed.toSorted().join() !==
    own
      .map(({ id }) => id)
      .toSorted()
      .join()
  ) {
    leaks.push(`api-keys/list gives ${listed.length} keys, the tenant has ${own.length}`);
  }

  const others = await client.asUser<Page>({ user: b.user, tenant: b.tenantId }, 'api-keys/list', { pageSize: 1 });
  if (others.nextPageToken === '') leaks.push('the other tenant has no second page to try');
  const byToken = (token: string): Promise<Answer> =>
    client.call('POST', '/api/v1/api-keys/list', {
      headers: { authorization: `Bearer ${client.dashboardToken(asA)}`, ...REQUEST_ID },
      body: { pageToken: token },
    });
  const answer = await byToken(others.nextPageToken);
  const garbage = await byToken(others.nextPageToken.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')));
  if (answer.status !== 400 || told(answer) !== told(garbage)) {
    leaks.push(
      `a page token of another tenant: expected 400 as for a forged one, got ${told(answer)}, ${told(garbage)}`,
    );
  }
  return leaks;
}

interface Page {
  readonly apiKeys: readonly { readonly keyId: string }[];
  readonly nextPageToken: string;
}

/** All rows of a tenant but the times of its keys' last use, as text. */
async function rowsOf(client: ServiceClient, tenantId: string): Promise<string> {
  const [row] = await client.sql<{ rows: string }>(
    `SELECT jsonb_build_object(
       'keys', (SELECT jsonb_agg(to_jsonb(k) - 'last_used_at' ORDER BY k.id) FROM api_keys k WHERE k.tenant_id = $1),
       'usage', (SELECT jsonb_agg(to_jsonb(u) ORDER BY u.id) FROM usage_records u WHERE u.tenant_id = $1),
       'tenant', (SELECT to_jsonb(t) FROM tenants t WHERE t.id = $1),
       'members', (SELECT jsonb_agg(to_jsonb(m) ORDER BY m.user_id)
                   FROM memberships m JOIN tenants t ON t.org_id = m.org_id WHERE t.id = $1)
     )::text AS rows`,
    [tenantId],
  );
  return row?.rows ?? '';
}
