/** Gateways and their tokens, as people and keys of a tenant manage them, and open gateways. */
import { randomUUID } from 'node:crypto';
import { captureLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { startReplicas, stopReplicas } from '../../support/replicas.js';
import type { Answer, Org, TestService } from '../../support/service.js';
import { dump } from '../../support/sql.js';
import { expectPlatformRefusal, platformError } from '../refusals.js';
import {
  GATEWAY_SECRET,
  INVALID_TOKEN,
  SETTINGS,
  ask,
  call,
  chat,
  create,
  createToken,
  wishes,
  type GatewayView,
  type Made,
  type TokenView,
} from './gateways.js';

let service: TestService;
/** Another replica, whose operator allows no open gateway. */
let strict: TestService;
let upstream: OpenaiUpstream;
let org: Org;

beforeAll(async () => {
  [service, strict] = await startReplicas({ ...SETTINGS, openGateways: 'on' }, SETTINGS);
});

afterAll(() => stopReplicas([service, strict]));

let tests = 0;
beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  org = await service.createOrg(`manager-${(tests += 1)}`, undefined, { provider: false });
});

afterEach(() => upstream.close());

const TOKEN = expect.stringMatching(/^gw_gh_[0-9A-Za-z]{33}$/) as string;
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string;
const get = async (id: string): Promise<GatewayView> =>
  (await call<{ gateway: GatewayView }>(service, org, 'POST', 'get', { gatewayId: id })).gateway;
const tokensOf = (id: string, query = ''): Promise<{ tokens: TokenView[]; nextPageToken: string }> =>
  call(service, org, 'GET', `${id}/tokens${query}`);
const refused = async (answer: Promise<Answer>, field: RegExp | string, status = 400): Promise<void> => {
  const { details } = platformError(await answer, status);
  expect(details.map((detail) => detail.field)).toContainEqual(
    typeof field === 'string' ? field : expect.stringMatching(field),
  );
};

describe('a gateway', () => {
  it("is created with its first token, which is shown once, and never shows a provider's key", async () => {
    const rateLimit = { requests: { limit: '100', window: 'MINUTE' }, cost: { limit: '5000000', window: 'MONTH' } };
    const made = await create(service, org, upstream, {
      rate_limit: rateLimit,
      cache: { ttlSeconds: 60, maxBytes: '100000' },
      bodies: { retention_days: 7 },
    });
    const gateway = {
      id: expect.stringMatching(/^gateway_[0-9A-Za-z]{20}$/) as string,
      name: 'my-gateway',
      authenticated: true,
      providers: [
        {
          ...{ provider: 'openai_compatible', name: 'openai_compatible', endpoint: upstream.baseUrl },
          ...{ models: [], settings: {}, apiKeySetAt: TIME },
        },
      ],
      rateLimit,
      cache: { ttlSeconds: 60, maxBytes: '100000' },
      bodies: { retentionDays: 7 },
      createdAt: TIME,
      updatedAt: TIME,
    };
    expect(made).toEqual({ gateway, token: TOKEN });
    expect(await get(made.gateway.id)).toEqual(gateway);
    const listed = await call<{ gateways: GatewayView[] }>(service, org, 'POST', 'list', { search: 'Y-GATE' });
    expect(listed).toEqual({ gateways: [gateway], nextPageToken: '' });
    expect((await tokensOf(made.gateway.id)).tokens).toEqual([
      { id: expect.any(String) as string, name: 'default', status: 'ACTIVE', rateLimit: {}, createdAt: TIME },
    ]);
  });

  it('keeps fields that an update does not name, frees its old name, and audits each change', async () => {
    const { gateway } = await create(service, org, upstream);
    await call(service, org, 'POST', 'update', { gatewayId: gateway.id, name: 'renamed' });
    expect(await get(gateway.id)).toMatchObject({ name: 'renamed', providers: gateway.providers });
    const second = await create(service, org, upstream);
    await call(service, org, 'POST', 'delete', { gatewayId: gateway.id });
    platformError(await ask(service, org, 'POST', 'delete', { gatewayId: gateway.id }), 404);
    const events = await service.sql<{ action: string }>(
      "SELECT action, resource_id FROM audit_events WHERE tenant_id = $1 AND resource_type LIKE 'gateway%' ORDER BY id",
      [org.tenantId],
    );
    expect(events.map(({ action }) => action).sort()).toEqual(
      ['created', 'created', 'deleted', 'updated']
        .map((what) => `gateway.${what}`)
        .concat(['gateway_token.created', 'gateway_token.created'])
        .sort(),
    );
    expect(await get(second.gateway.id)).toMatchObject({ name: 'my-gateway' });
    const rows = await service.sql(
      `SELECT (SELECT count(*) FROM gateway_tokens WHERE gateway_id = $1) + (SELECT count(*) FROM llm_providers WHERE gateway_id = $1)
         + (SELECT count(*) FROM budgets WHERE holder = 'gateway:' || $1) AS left`,
      [gateway.id],
    );
    expect(rows).toEqual([{ left: '0' }]);
  });

  it.each([
    ['a name that is too short', { name: 'abcd' }, 'name'],
    ['a name with a space', { name: 'my gateway' }, 'name'],
    ['no provider', { providers: [] }, 'providers'],
    ['an unknown provider', { providers: [{ provider: 'openia', apiKey: 'k' }] }, 'providers.0.provider'],
    ['a provider without its key', { providers: [{ provider: 'openai' }] }, /^providers\[0\]\./],
    [
      'a private endpoint',
      { providers: [{ provider: 'openai', apiKey: 'k', endpoint: 'https://10.0.0.1/v1' }] },
      'providers[0].endpoint',
    ],
    [
      'two equal providers',
      {
        providers: [
          { provider: 'openai', apiKey: 'k' },
          { provider: 'openai', apiKey: 'l' },
        ],
      },
      'providers',
    ],
    ['a window of a week', { rateLimit: { requests: { limit: 1, window: 'WEEK' } } }, /window/],
    ['a cache for longer than two days', { cache: { ttlSeconds: 172_801 } }, /ttl/i],
    ['an open gateway without a limit', { authenticated: false }, 'rateLimit'],
  ])('is refused with %s, and the answer names the field', async (_what, more, field) => {
    await refused(ask(service, org, 'POST', 'create', wishes(upstream, more)), field);
    expect(await service.sql('SELECT 1 FROM gateways WHERE tenant_id = $1', [org.tenantId])).toEqual([]);
  });

  it('has a unique name in the tenant, and a repeat by its Idempotency-Key shows no token', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const first = await ask(service, org, 'POST', 'create', wishes(upstream), headers);
    const again = await ask(service, org, 'POST', 'create', wishes(upstream), headers);
    const { token, ...shown } = first.json<Made>();
    expect(token).toEqual(TOKEN);
    expect(again.json()).toEqual({ ...shown, notice: expect.any(String) as string });
    await refused(ask(service, org, 'POST', 'create', wishes(upstream)), 'name', 409);
    const { gateway } = await create(service, org, upstream, { name: 'other-one' });
    await refused(ask(service, org, 'POST', 'update', { gatewayId: gateway.id, name: 'my-gateway' }), 'name', 409);
  });

  it('requires a key again where its endpoint changes, and keeps it where it does not', async () => {
    const { gateway, token } = await create(service, org, upstream);
    const thief = await OpenaiUpstream.start();
    const moved = [{ provider: 'openai_compatible', endpoint: thief.baseUrl }];
    await refused(
      ask(service, org, 'POST', 'update', { gatewayId: gateway.id, providers: moved }),
      'providers[0].apiKey',
    );
    const kept = [{ provider: 'openai_compatible', endpoint: upstream.baseUrl, models: ['gpt-4o-mini'] }];
    await call(service, org, 'POST', 'update', { gatewayId: gateway.id, providers: kept });
    await chat(service, gateway.id, token);
    await call(service, org, 'POST', 'update', {
      gatewayId: gateway.id,
      providers: [{ ...moved[0], apiKey: 'sk-another-0123456789' }],
    });
    await chat(service, gateway.id, token);
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${GATEWAY_SECRET}`]);
    expect(thief.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-another-0123456789']);
    await thief.close();
  });

  it("is not one of the tenant's own providers, and those serve no gateway", async () => {
    const { gateway, token } = await create(service, org, upstream);
    const { key } = await service.createKey(org);
    const own = await service.call('POST', '/v1/chat/completions', {
      headers: { 'x-api-key': key },
      body: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] },
    });
    expect(own.json<{ error: { code: string } }>().error.code).toBe('no_provider_configured');
    const asUser = { user: org.user, tenant: org.tenantId };
    expect(await service.asUser(asUser, 'llm/providers/list')).toMatchObject({ providers: [] });
    const [row] = await service.sql<{ id: string }>('SELECT id FROM llm_providers WHERE gateway_id = $1', [gateway.id]);
    for (const method of ['get', 'delete'])
      await expect(service.asUser(asUser, `llm/providers/${method}`, { providerId: row!.id })).rejects.toThrow(/404/);
    await call(service, org, 'POST', 'update', {
      gatewayId: gateway.id,
      providers: [{ provider: 'openai_compatible', endpoint: upstream.baseUrl, models: ['only-this'] }],
    });
    await service.asUser(asUser, 'llm/providers/create', {
      ...{ name: 'own', kind: 'openai_compatible', base_url: upstream.baseUrl, credentials: { apiKey: 'sk-own' } },
    });
    expect((await chat(service, gateway.id, token)).status).toBe(404);
    expect(upstream.requests).toEqual([]);
  });

  it('leaves its keys and tokens in no row, no log and no metric', async () => {
    const log = captureLog();
    const { gateway, token } = await create(service, org, upstream);
    const second = await createToken(service, org, gateway.id);
    await chat(service, gateway.id, token);
    await chat(service, gateway.id, `${second.token}x`);
    log.stop();
    const everything = await dump(service.database.superuserUrl);
    const metrics = await service.call('GET', '/metrics');
    for (const secret of [GATEWAY_SECRET, token, second.token])
      for (const text of [everything, log.text(), metrics.text]) expect(text.includes(secret)).toBe(false);
  });
});

describe('a token', () => {
  it('is listed without its secret, page by page, and can be edited', async () => {
    const { gateway } = await create(service, org, upstream);
    const expiresAt = '2999-01-01T00:00:00.000Z';
    const rateLimit = { tokens: { limit: '1000', window: 'HOUR' } };
    const made = await createToken(service, org, gateway.id, { name: 'one', expires_at: expiresAt, rateLimit });
    const view = { id: made.id, name: 'one', status: 'ACTIVE', rateLimit, createdAt: TIME, expiresAt };
    expect(made).toEqual({ ...view, token: TOKEN });
    const { tokens, nextPageToken } = await tokensOf(gateway.id, '?page_size=1');
    expect(tokens).toEqual([view]);
    expect((await tokensOf(gateway.id, `?page_size=1&page_token=${nextPageToken}`)).tokens).toMatchObject([
      { name: 'default' },
    ]);
    const path = `${gateway.id}/tokens/${made.id}`;
    expect(await call(service, org, 'PATCH', path, { name: 'renamed', neverExpires: true, rateLimit: {} })).toEqual({
      ...{ id: made.id, name: 'renamed', status: 'ACTIVE', rateLimit: {}, createdAt: TIME },
    });
  });

  it('has a unique name among the live tokens of its gateway', async () => {
    const { gateway } = await create(service, org, upstream);
    const { id } = await createToken(service, org, gateway.id, { name: 'one' });
    const again = (): Promise<Answer> => ask(service, org, 'POST', `${gateway.id}/tokens`, { name: 'one' });
    await refused(again(), 'name', 409);
    await call(service, org, 'DELETE', `${gateway.id}/tokens/${id}`);
    const second = await again();
    expect(second.status).toBe(200);
    await service.sql("UPDATE gateway_tokens SET expires_at = now() - interval '1 second' WHERE id = $1", [
      second.json<TokenView>().id,
    ]);
    expect((await again()).status).toBe(200);
    expect((await tokensOf(gateway.id)).tokens.map(({ status }) => status)).toEqual(['ACTIVE', 'EXPIRED', 'ACTIVE']);
    await refused(ask(service, org, 'POST', `${gateway.id}/tokens`, {}), 'name');
    await refused(
      ask(service, org, 'POST', `${gateway.id}/tokens`, { name: 'old', expires_at: '2020-01-01T00:00:00Z' }),
      'expires_at',
    );
  });

  it("can't be reached through another gateway or by another tenant", async () => {
    const { gateway } = await create(service, org, upstream);
    const neighbour = await create(service, org, upstream, { name: 'neighbour' });
    const stranger = await service.createOrg(`stranger-${tests}`, undefined, { provider: false });
    const { id } = await createToken(service, org, gateway.id, { name: 'one' });
    const missing = await ask(service, org, 'DELETE', `${gateway.id}/tokens/gateway_token_0`);
    for (const [who, path] of [
      [org, `${neighbour.gateway.id}/tokens/${id}`],
      [stranger, `${gateway.id}/tokens/${id}`],
      [org, `${gateway.id}/tokens/%00`],
      [org, `%00/tokens/${id}`],
    ] as const) {
      for (const method of ['PATCH', 'DELETE'])
        await expectPlatformRefusal(
          service,
          () => ask(service, who, method, path, method === 'PATCH' ? {} : undefined),
          404,
        );
    }
    expect(missing.status).toBe(404);
    expect((await tokensOf(gateway.id)).tokens).toHaveLength(2);
  });
});

describe('an open gateway', () => {
  const open = { authenticated: false, rateLimit: { requests: { limit: 3, window: 'DAY' } } };

  it('lets every caller in within its own limit, without an identity', async () => {
    const { gateway, token } = await create(service, org, upstream, open);
    for (const credential of [null, 'anything', token])
      expect((await chat(service, gateway.id, credential)).status).toBe(200);
    const limited = await chat(service, gateway.id, null);
    expect([limited.status, Number(limited.headers['retry-after']) >= 1]).toEqual([429, true]);
    await eventually(async () =>
      expect(
        await service.sql(
          `SELECT gateway_id = $2 AS own, count(*) AS calls, count(gateway_token_id) AS by_token
           FROM usage_records WHERE tenant_id = $1 GROUP BY 1`,
          [org.tenantId, gateway.id],
        ),
      ).toEqual([{ own: true, calls: '3', by_token: '1' }]),
    );
    expect((await chat(strict, gateway.id, null)).text).toBe(INVALID_TOKEN);
  });

  it('is possible only where the operator allows it, and must have a limit', async () => {
    await refused(ask(strict, org, 'POST', 'create', wishes(upstream, open)), 'authenticated', 403);
    const { gateway } = await create(service, org, upstream, open);
    await refused(ask(service, org, 'POST', 'update', { gatewayId: gateway.id, rateLimit: {} }), 'rateLimit');
    const asUser = { user: org.user, tenant: org.tenantId };
    const { budgets } = await service.asUser<{ budgets: { budgetId: string }[] }>(asUser, 'budgets/list', {
      holder: { gatewayId: gateway.id },
    });
    await expect(service.asUser(asUser, 'budgets/delete', { budgetId: budgets[0]!.budgetId })).rejects.toThrow(
      /409.*last limit/,
    );
    await call(service, org, 'POST', 'update', { gatewayId: gateway.id, authenticated: true, rateLimit: {} });
    await eventually(async () => expect((await chat(service, gateway.id, null)).text).toBe(INVALID_TOKEN));
    await refused(ask(service, org, 'POST', 'update', { gatewayId: gateway.id, authenticated: false }), 'rateLimit');
  });
});
