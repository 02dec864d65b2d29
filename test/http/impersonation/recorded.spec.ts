/** Every action of a key on a human's behalf is in the audit log before its answer, or is not done. */
import { randomUUID } from 'node:crypto';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { declaredRoutes } from '../../../src/app/assert-routes-declared.js';
import { AUDITED_BY_RESERVATION } from '../../../src/identity/index.js';
import { ROUTES, type Things } from '../../contracts/access.expected.js';
import { eventually, watch } from '../../support/eventually.js';
import { UPSTREAM_MODEL, completion } from '../../support/openai-upstream.js';
import { startService, type Answer, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { onDatabase } from '../../support/sql.js';
import { clearAuditLog, impersonatedCalls } from '../audit/audit-log.js';
import { clearLedger, ledgerOf, rowCounts, settledCall } from '../ledger.js';
import { openaiError, platformError } from '../refusals.js';

let service: TestService;
let org: Org;
let key: MadeKey;

beforeAll(async () => {
  service = await startService({ settings: { openaiModels: [UPSTREAM_MODEL] } });
  org = await service.createOrg('founder');
  key = await service.createKey(org, {
    scopes: ['chat:write', 'conversations:read', 'conversations:write', 'users:impersonate'],
  });
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
  await clearAuditLog(service);
});

const onBehalfOf = (human: string): Record<string, string> => ({ 'x-api-key': key.key, 'x-on-behalf-of': human });
const BODY = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hello' }] };
const complete = (headers: Record<string, string>): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', { headers, body: BODY });

/** Runs `work` while a table can't be written to; waiting writes continue after `work`. */
function whileLocked<T>(table: string, work: () => Promise<T>): Promise<T> {
  return onDatabase(service.database.superuserUrl, async (client) => {
    await client.query('BEGIN');
    await client.query(`LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`);
    const done = await work();
    await client.query('COMMIT');
    return done;
  });
}

const somebodyWaits = (): Promise<void> =>
  eventually(async () => {
    const waiting = await service.sql(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return waiting.length > 0;
  });

/** Makes Postgres refuse every row of the log while `work` runs. */
async function whileLogRefuses(work: () => Promise<void>): Promise<void> {
  await service.sql('ALTER TABLE audit_events ADD CONSTRAINT refusing CHECK (false) NOT VALID');
  try {
    await work();
  } finally {
    await service.sql('ALTER TABLE audit_events DROP CONSTRAINT refusing');
  }
}

/** The resources that the bodies of these routes may name. */
const THINGS = { model: UPSTREAM_MODEL, conversationKey: 'missing', runId: randomUUID() } as Things;

/** These routes reserve, and their reservation writes the log. */
const RESERVING = ['POST /v1/chat/completions', 'POST /v1/embeddings', 'POST /v1/responses'];

/** The status that a route gives permitted callers, according to the matrix. */
const answerOf = (route: string): number | undefined =>
  ROUTES[route]?.expected['a key with every scope on behalf of a human'];

/** Every request of the matrix to a route that accepts impersonation. */
function impersonatedRequests(): { route: string; method: string; path: string; body?: () => unknown }[] {
  const declared = declaredRoutes(
    service.app.get(DiscoveryService, { strict: false }),
    service.app.get(MetadataScanner, { strict: false }),
  );
  return declared
    .filter(({ access }) => access !== undefined && 'rule' in access && access.rule.impersonation !== undefined)
    .flatMap(({ method, path }) => {
      const route = `${method} ${path}`;
      const known = ROUTES[route];
      if (known === undefined) throw new Error(`The matrix knows no ${route}.`);
      return known.requests.map((request) => ({
        route,
        method: request.method,
        // Gateways are not called on a human's behalf: here no path names one of the caller's resources.
        path: String(request.path),
        ...(request.body === undefined ? {} : { body: () => request.body?.(THINGS) }),
      }));
    });
}

describe('every route that can be called on a human’s behalf', () => {
  it('answers only when the call is in the log, once, with key, human, route, request and address', async () => {
    const requests = impersonatedRequests();
    expect(requests.length).toBeGreaterThanOrEqual(4);
    for (const { route, method, path, body } of requests) {
      await clearAuditLog(service);
      service.upstream.reset();
      const answer = await whileLocked('audit_events', async () => {
        const sent = service.call(method, path, {
          headers: { ...onBehalfOf('ann'), 'x-request-id': 'asked-by-me' },
          body: await body?.(),
        });
        const watched = watch(sent);
        await somebodyWaits();
        // Neither a part of an answer nor an effect of the request.
        expect({ route, ending: watched.ending }).toEqual({ route, ending: undefined });
        expect(service.upstream.requests).toEqual([]);
        expect(await impersonatedCalls(service)).toEqual([]);
        return { sent };
      });
      expect({ route, status: (await answer.sent).status }).toEqual({ route, status: answerOf(route) });
      expect(await impersonatedCalls(service)).toEqual([
        {
          id: expect.any(String) as string,
          org_id: org.orgId,
          tenant_id: org.tenantId,
          occurred_at: expect.any(Date) as Date,
          action: 'request.impersonated',
          actor_type: 'key',
          actor_id: key.keyId,
          human_id: expect.stringMatching(/^hum_/) as string,
          human: 'ann',
          resource_type: 'route',
          resource_id: route,
          request_id: 'asked-by-me',
          address: '127.0.0.1',
          details: {},
        },
      ]);
    }
  });

  it('is 503 where the log can’t be written, except on routes that can’t reserve then, and has no effect', async () => {
    await whileLogRefuses(async () => {
      for (const { route, method, path, body } of impersonatedRequests()) {
        const before = await rowCounts(service);
        const answer = await service.call(method, path, { headers: onBehalfOf('ann'), body: await body?.() });
        expect({ route, failed: answer.status >= 500 }).toEqual({ route, failed: true });
        if (!RESERVING.includes(route)) expect({ route, status: answer.status }).toEqual({ route, status: 503 });
        expect(await rowCounts(service)).toEqual(before);
      }
      expect(service.upstream.requests).toEqual([]);
      openaiError(await service.call('GET', '/v1/models', { headers: onBehalfOf('ann') }), 503);
      const threads = await service.call('POST', '/api/v1/llm/gateway/list-threads', { headers: onBehalfOf('ann') });
      expect(threads.json<{ error: object }>().error).toMatchObject({ code: 503, status: 'UNAVAILABLE' });
    });
    expect((await service.call('GET', '/v1/models', { headers: onBehalfOf('ann') })).status).toBe(200);
  });

  it('leaves the log to its reservation exactly where it is one of the reviewed reserving routes', () => {
    const discovery = service.app.get(DiscoveryService, { strict: false });
    const scanner = service.app.get(MetadataScanner, { strict: false });
    const marked = discovery.getControllers().flatMap(({ instance, name }) => {
      if (!instance) return [];
      const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
      return scanner
        .getAllMethodNames(prototype)
        .filter((method) => AUDITED_BY_RESERVATION.find(prototype[method]!) === true)
        .map((method) => `${name}.${method}`);
    });
    // Routes of gateways accept no key, so no one is impersonated there.
    expect(marked.filter((one) => !one.startsWith('GatewayCallsController.')).sort()).toEqual([
      'ChatController.complete',
      'EmbeddingsController.embed',
      'ResponsesController.respond',
    ]);
  });
});

describe('a completion on a human’s behalf', () => {
  it('is in log and ledger before the call goes upstream, for the same human', async () => {
    let answerNow: () => void = () => undefined;
    const after = new Promise<void>((resolve) => (answerNow = resolve));
    service.upstream.next({ kind: 'body', body: completion(), after });
    const asked = complete(onBehalfOf('ann'));
    await service.upstream.request();
    const [row, ...others] = await impersonatedCalls(service);
    expect(others).toEqual([]);
    const [call] = await ledgerOf(service);
    expect(call).toMatchObject({ state: 'RESERVED', human_id: row!.human_id, key_id: key.keyId });
    answerNow();
    expect((await asked).status).toBe(200);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', human_id: row!.human_id });
    expect(await impersonatedCalls(service)).toEqual([row]);
  });

  it('that is not reserved is recorded nowhere', async () => {
    await whileLogRefuses(async () => {
      expect((await complete(onBehalfOf('ann'))).status).toBeGreaterThanOrEqual(500);
    });
    const refused = await service.call('POST', '/v1/chat/completions', {
      headers: onBehalfOf('ann'),
      body: { ...BODY, model: 'no-such-model' },
    });
    expect(refused.status).toBe(404);
    expect([await impersonatedCalls(service), await ledgerOf(service)]).toEqual([[], []]);
    expect(service.upstream.requests).toEqual([]);
  });

  it('by x-human-id is charged to the human, and is not impersonation', async () => {
    expect((await complete({ 'x-api-key': key.key, 'x-human-id': 'ann' })).status).toBe(200);
    const call = await settledCall(service);
    const [human] = await service.sql<{ human: string }>('SELECT human FROM humans WHERE id = $1', [call.human_id]);
    expect(human).toEqual({ human: 'ann' });
    expect(await impersonatedCalls(service)).toEqual([]);
  });
});

it('has the same human id for two calls, and another one for another tenant’s human of that name', async () => {
  const other = await service.createOrg('other-founder');
  const theirs = await service.createKey(other, { scopes: ['conversations:read', 'users:impersonate'] });
  const list = (headers: Record<string, string>): Promise<Answer> =>
    service.call('POST', '/api/v1/llm/gateway/list-threads', { headers });
  await list(onBehalfOf('ann'));
  await list({ ...onBehalfOf('ann'), 'x-human-id': 'ann' });
  await list({ 'x-api-key': theirs.key, 'x-on-behalf-of': 'ann' });
  const rows = await impersonatedCalls(service);
  expect(rows.map(({ tenant_id: tenant, human }) => [tenant, human])).toEqual([
    [org.tenantId, 'ann'],
    [org.tenantId, 'ann'],
    [other.tenantId, 'ann'],
  ]);
  const [first, second, third] = rows.map(({ human_id: id }) => id);
  expect(second).toBe(first);
  expect(third).not.toBe(first);
});

it('is not in the log where it was refused or the route does not exist', async () => {
  const bare = await service.createKey(org, { scopes: ['users:impersonate'] });
  const headers = { 'x-api-key': bare.key, 'x-on-behalf-of': 'refused' };
  for (const [method, path, status] of [
    ['GET', '/v1/models', 403],
    ['POST', '/api/v1/llm/gateway/list-threads', 403],
    ['POST', '/api/v1/audit/list', 403],
    ['POST', '/api/v1/api-keys/list', 403],
    ['POST', '/v1/chat/completions', 403],
    ['GET', '/v1/nothing-here', 404],
    ['POST', '/api/v1/nothing/here', 404],
    ['GET', '/health/live', 200],
  ] as const) {
    const answer = await service.call(method, path, { headers });
    expect({ path, status: answer.status }).toEqual({ path, status });
  }
  expect(await impersonatedCalls(service)).toEqual([]);
  expect(await service.sql("SELECT 1 FROM humans WHERE human = 'refused'")).toEqual([]);
});

it("can't be made by a cached key whose tenant is gone", async () => {
  expect((await service.call('GET', '/v1/models', { headers: onBehalfOf('ann') })).status).toBe(200);
  await clearAuditLog(service);
  // Deleted without triggers, so that the key stays in the cache.
  const [tenant] = await onDatabase(service.database.superuserUrl, async (client) => {
    await client.query('SET session_replication_role = replica');
    const { rows } = await client.query<{ name: string }>('DELETE FROM tenants WHERE id = $1 RETURNING name', [
      org.tenantId,
    ]);
    return rows;
  });
  platformError(await service.call('POST', '/api/v1/llm/gateway/list-threads', { headers: onBehalfOf('ann') }), 401);
  openaiError(await complete(onBehalfOf('ann')), 401);
  openaiError(await complete({ 'x-api-key': key.key }), 401);
  expect([service.upstream.requests, await ledgerOf(service), await impersonatedCalls(service)]).toEqual([[], [], []]);
  await service.sql('INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, $3)', [
    org.tenantId,
    org.orgId,
    tenant!.name,
  ]);
  expect((await complete(onBehalfOf('ann'))).status).toBe(200);
});
