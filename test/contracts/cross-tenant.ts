/**
 * Tries to reach one tenant's resources as another tenant. Runs against any started service, even with protections switched
 * off.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { SCOPES } from '../../src/identity/index.js';
import type { Answer, Org, ServiceClient } from '../support/service.js';
import type { Credential } from './access.credentials.js';
import { pathOf, ROUTES, type RouteExpectation, type Things } from './access.expected.js';
import {
  deliveryTo,
  endpointOf,
  gatewayOf,
  gatewayTokenIdOf,
  providerOf,
  routeOf,
  type World,
} from './access-world.js';

const CALLERS = [
  'an owner',
  'an admin',
  'a developer',
  'a viewer',
  "an owner of both tenants, with the one's token",
  'a key with every scope',
  'a key with every scope on behalf of a human',
  'an end user',
  'a usage token',
] as const satisfies readonly Credential[];

/** Describes everything that goes wrong; an empty list is a pass. */
export async function crossTenantLeaks(client: ServiceClient, world: World): Promise<string[]> {
  const { b } = world;
  const theirs = await theirThings(client, b);
  const rowsBefore = await rowsOf(client, b);

  const leaks: string[] = [];
  // Values that name B, its people or its resources; an answer to A contains none of them.
  const marks = [b.tenantId, b.orgId, b.user, ...Object.values(theirs), 'Their very own key', 'Their revoked key'];

  for (const [route, { requests, resource, expected }] of Object.entries(ROUTES)) {
    for (const request of requests) {
      for (const caller of CALLERS) {
        // A member of both orgs may switch to the other one.
        if (route === 'POST /api/v1/tenants/switch' && caller === BOTH) continue;
        const headers = { ...(await world.headersOf(caller)), ...REQUEST_ID };
        const send = async (id: string | null): Promise<Answer> =>
          sendTo(client, request, headers, { ...world.thingsOf('an owner'), ...naming(resource, id) });
        const ids = resource === undefined ? [null] : theirIds(resource, theirs);
        for (const id of ids) {
          const answer = await send(id);
          const cell = `${route}, ${caller}, ${id === null ? 'own things' : `another tenant's ${id}`}`;
          // Both routes show a member of both orgs exactly these two orgs.
          const theirOwn = ['POST /api/v1/orgs/list', 'POST /api/v1/me/get'].includes(route) && caller === BOTH;
          const seen = theirOwn ? [] : marks.filter((mark) => answer.text.includes(mark));
          if (seen.length > 0) leaks.push(`${cell}: the answer ${answer.status} shows ${seen.join(', ')}`);
          if (id === null) continue;
          const missing = await send(MISSING);
          // A caller who may do this to an own resource gets 404; other callers get their usual answer.
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
  const rowsAfter = await rowsOf(client, b);
  if (rowsAfter !== rowsBefore) leaks.push(`another tenant's rows were changed:\n  ${rowsBefore}\n  ${rowsAfter}`);
  return leaks;
}

async function sendTo(
  client: ServiceClient,
  request: RouteExpectation['requests'][number],
  headers: OutgoingHttpHeaders,
  things: Things,
): Promise<Answer> {
  return client.call(request.method, await pathOf(request, things), { headers, body: await request.body?.(things) });
}

const BOTH = "an owner of both tenants, with the one's token";

interface Theirs {
  readonly keyId: string;
  readonly revokedKeyId: string;
  readonly tenantId: string;
  readonly spareTenantId: string;
  readonly userId: string;
  readonly invitationId: string;
  readonly endpointId: string;
  readonly deliveryId: string;
  readonly providerId: string;
  readonly routeId: string;
  readonly gatewayId: string;
  readonly gatewayTokenId: string;
  readonly human: string;
  readonly budgetId: string;
  readonly conversationKey: string;
  readonly runId: string;
}

/** One of each kind of resource that B can have, made by B's own people. */
async function theirThings(client: ServiceClient, b: Org): Promise<Theirs> {
  const asB = { user: b.user, tenant: b.tenantId };
  const { keyId } = await client.createKey(b, { name: 'Their very own key', scopes: SCOPES });
  const { keyId: revokedKeyId } = await client.createKey(b, { name: 'Their revoked key' });
  await client.asUser(asB, 'api-keys/revoke', { keyId: revokedKeyId });
  const { tenant } = await client.asUser<{ tenant: { id: string } }>(asB, 'tenants/create', { name: 'Theirs' });
  const userId = `member-of-${b.orgId}`;
  await client.sql('DELETE FROM memberships WHERE user_id = $1', [userId]);
  await client.addMember(b, userId, 'viewer');
  const { invitation } = await client.asUser<{ invitation: { id: string } }>(asB, 'orgs/invite-member', {
    email: 'theirs@example.org',
    role: 'viewer',
  });
  const human = `theirs-${b.orgId}@example.org`;
  await client.asUser(asB, 'humans/upsert', { human });
  const report = { type: 'memory_message_cnt', value: 1, human, idempotencyKey: 'theirs' };
  await client.asUser(asB, 'usage/report', report);
  const ids = { tenantId: b.tenantId, spareTenantId: tenant.id, userId, invitationId: invitation.id, human };
  const { budget } = await client.asUser<{ budget: { budgetId: string } }>(asB, 'budgets/set', {
    holder: { human },
    type: 'request_cnt',
    period: 'MONTH',
    limit: 1_000_000,
  });
  const conversationKey = `theirs-${b.orgId}`;
  await client.sql('DELETE FROM threads WHERE tenant_id = $1', [b.tenantId]);
  await client.asUser(asB, 'llm/gateway/create-thread', { conversationKey });
  // By SQL: the run has ended, and needs no provider.
  const [{ id: runId }] = (await client.sql<{ id: string }>(
    `INSERT INTO runs (id, tenant_id, thread_id, run_no, status, caller, request_id, ended_at)
     SELECT gen_random_uuid(), tenant_id, id, 1, 'COMPLETED', '{}', 'req', now() FROM threads WHERE tenant_id = $1
     RETURNING id`,
    [b.tenantId],
  )) as [{ id: string }];
  const endpointId = await endpointOf(client, b);
  const deliveryId = await deliveryTo(client, b, endpointId);
  const providerId = await providerOf(client, b);
  const routeId = await routeOf(client, b, providerId);
  const gatewayId = await gatewayOf(client, b);
  const gatewayTokenId = await gatewayTokenIdOf(client, b, gatewayId);
  return {
    keyId,
    revokedKeyId,
    endpointId,
    deliveryId,
    providerId,
    routeId,
    gatewayId,
    gatewayTokenId,
    conversationKey,
    runId,
    budgetId: budget.budgetId,
    ...ids,
  };
}

type Resource = NonNullable<RouteExpectation['resource']>;

function theirIds(resource: Resource, theirs: Theirs): string[] {
  switch (resource) {
    case 'keyId':
      return [theirs.keyId, theirs.revokedKeyId];
    case 'tenantId':
      return [theirs.tenantId, theirs.spareTenantId];
    case 'userId':
      return [theirs.userId];
    case 'invitationId':
      return [theirs.invitationId];
    case 'endpointId':
      return [theirs.endpointId];
    case 'deliveryId':
      return [theirs.deliveryId];
    case 'providerId':
      return [theirs.providerId];
    case 'routeId':
      return [theirs.routeId];
    case 'gatewayId':
      return [theirs.gatewayId];
    case 'gatewayTokenId':
      return [theirs.gatewayTokenId];
    case 'human':
      return [theirs.human];
    case 'budgetId':
      return [theirs.budgetId];
    case 'conversationKey':
      return [theirs.conversationKey];
    case 'runId':
      return [theirs.runId];
  }
}

/** Makes a body name this resource, whatever field it names its resource by. */
function naming(resource: Resource | undefined, id: string | null): Partial<Things> {
  if (id === null || resource === undefined) return {};
  const made = (): Promise<string> => Promise.resolve(id);
  switch (resource) {
    case 'keyId':
      return { keyId: id, spareKeyId: id };
    case 'tenantId':
      return { tenantId: id, spareTenantId: made };
    case 'userId':
      return { spareUserId: made };
    case 'invitationId':
      return { spareInvitationId: made };
    case 'endpointId':
      return { endpointId: id, spareEndpointId: made };
    case 'deliveryId':
      return { deliveryId: id };
    case 'providerId':
      return { providerId: id, spareProviderId: made };
    case 'routeId':
      return { routeId: id, spareRouteId: made };
    case 'gatewayId':
      return { gatewayId: id, spareGatewayId: made };
    case 'gatewayTokenId':
      return { gatewayTokenId: id, spareGatewayTokenId: made };
    case 'human':
      return { human: id, spareHuman: made };
    case 'budgetId':
      return { spareBudgetId: made };
    case 'conversationKey':
      return { conversationKey: id };
    case 'runId':
      return { runId: id };
  }
}

/** An id of the right form that belongs to no tenant. */
const MISSING = 'key_00000000000000000000';

/** The same for all requests, so that two answers can be compared byte by byte. */
const REQUEST_ID = { 'x-request-id': 'cross-tenant' };

/** Status, headers and body, without the values that change from one request to the next. */
function told({ status, headers, text }: Answer): string {
  const counters = [
    'date',
    'x-ratelimit-remaining',
    'x-ratelimit-reset',
    'x-ratelimit-remaining-requests',
    'x-ratelimit-reset-requests',
    'ratelimit',
    'connection',
    'keep-alive',
  ];
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

/** A delivery's columns except those that the worker changes. */
const DELIVERY =
  "(to_jsonb(r) - '{status,attempts,next_attempt_at,last_attempt_at,last_status_code,last_error,ended_at,attempt_log}'::text[])";

/** All rows of an org and its tenants as text, except the times of its keys' last use and the state of its deliveries. */
async function rowsOf(client: ServiceClient, { orgId }: Org): Promise<string> {
  const ofTenants = (table: string, row = 'to_jsonb(r)'): string =>
    `'${table}', (SELECT jsonb_agg(${row} ORDER BY ${row}::text) FROM ${table} r JOIN tenants t ON t.id = r.tenant_id
                  WHERE t.org_id = $1)`;
  const ofOrg = (table: string): string =>
    `'${table}', (SELECT jsonb_agg(to_jsonb(r) ORDER BY to_jsonb(r)::text) FROM ${table} r WHERE r.org_id = $1)`;
  const [row] = await client.sql<{ rows: string }>(
    `SELECT jsonb_build_object(
       ${ofTenants('api_keys', "(to_jsonb(r) - 'last_used_at')")}, ${ofTenants('usage_records')}, ${ofTenants('humans')},
       ${ofTenants('budgets')}, ${ofTenants('budget_epochs')},
       ${ofTenants('api_key_retired_secrets')}, ${ofTenants('usage_reports')}, ${ofTenants('usage_tokens')},
       ${ofTenants('idempotency_keys')}, ${ofOrg('audit_events')},
       ${ofTenants('gateways')}, ${ofTenants('gateway_cache_entries')}, ${ofTenants('gateway_call_bodies')}, ${ofTenants('gateway_tokens', "(to_jsonb(r) - 'last_used_at')")},
       ${ofTenants('llm_providers')}, ${ofTenants('llm_routes')}, ${ofTenants('llm_route_targets')}, ${ofTenants('tenant_data_keys')},
       ${ofTenants('webhook_endpoints')}, ${ofTenants('webhook_subscriptions')}, ${ofTenants('webhook_secrets')},
       ${ofTenants('threads')}, ${ofTenants('runs')}, ${ofTenants('thread_messages')}, ${ofTenants('run_deltas')},
       ${ofTenants('webhook_events')}, ${ofTenants('webhook_deliveries', DELIVERY)},
       ${ofOrg('tenants')}, ${ofOrg('memberships')}, ${ofOrg('invitations')},
       'orgs', (SELECT to_jsonb(o) FROM orgs o WHERE o.id = $1)
     )::text AS rows`,
    [orgId],
  );
  return row?.rows ?? '';
}
