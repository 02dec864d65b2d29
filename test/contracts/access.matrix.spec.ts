/** Every route × every kind of credential, over HTTP, compared with the hand-written access.expected.ts. */
import type { OutgoingHttpHeaders } from 'node:http';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { declaredRoutes } from '../../src/app/assert-routes-declared.js';
import { rowCounts } from '../http/ledger.js';
import { eventually } from '../support/eventually.js';
import { startService, type Answer, type TestService } from '../support/service.js';
import { startUserIssuer, type UserIssuer } from '../support/oidc-issuer.js';
import { CREDENTIALS, KEYS_RECOGNISED, codeOfRefusal, type Credential } from './access.credentials.js';
import { pathOf, ROUTES, type RouteExpectation } from './access.expected.js';
import { apiKey, bearer, makeWorld, type World } from './access-world.js';
import { crossTenantLeaks } from './cross-tenant.js';
import { routesOf } from './router.js';

let service: TestService;
let users: UserIssuer;
let world: World;
/** The statuses that OpenAPI declares, by route. */
let told: readonly { readonly method: string; readonly path: RegExp; readonly statuses: readonly string[] }[];

beforeAll(async () => {
  users = await startUserIssuer();
  // One caller sends every cell of a column within a minute.
  const many = [1_000_000, 1_000_000, 1_000_000] as const;
  const unlimited = {
    requestsPerMinute: 1_000_000,
    requestsPerMinutePerHuman: 1_000_000,
    sealedGlobalQuota: many,
    sealedClientQuota: many,
    anonymousGlobalQuota: many,
    anonymousClientQuota: many,
  };
  service = await startService({ settings: { ...users.settings, ...unlimited } });
  const [a, b] = [await service.createOrg('owner-of-a'), await service.createOrg('owner-of-b')];
  world = await makeWorld(service, a, b, users);
  const { paths } = (await service.call('GET', '/openapi.json')).json<{
    paths: Record<string, Record<string, { responses: object }>>;
  }>();
  told = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { responses }]) => ({
      method: method.toUpperCase(),
      path: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{(\w+)\}/g, '[^/]+')}$`),
      statuses: Object.keys(responses),
    })),
  );
});

afterAll(async () => {
  await service.stop();
  await users.stop();
});

describe('the table of expectations', () => {
  it("lists every route of the running service's router, and no other", () => {
    const served = routesOf(service.app);
    const known = Object.keys(ROUTES);
    const report = [
      ...served.filter((route) => !known.includes(route)).map((route) => `served, and not in the table: ${route}`),
      ...known.filter((route) => !served.includes(route)).map((route) => `in the table, and not served: ${route}`),
    ];
    expect(report).toEqual([]);
  });

  it('finds no route that bypasses the guards except those of the documentation and the dashboard', () => {
    const declared = declaredRoutes(
      service.app.get(DiscoveryService, { strict: false }),
      service.app.get(MetadataScanner, { strict: false }),
    ).map(({ method, path }) => `${method} ${path}`);
    const unguarded = routesOf(service.app).filter((route) => !declared.includes(route));
    expect(
      unguarded.filter(
        (route) => !/^GET \/(docs(\/|$)|openapi\.(json|yaml)$|dashboard(\/\*)?$|accept-invitation$)/.test(route),
      ),
    ).toEqual([]);
    expect(declared.filter((route) => !(route in ROUTES))).toEqual([]);
  });
});

/** A request as one kind of credential sends it, with everything created that it needs. */
interface Cell {
  readonly credential: Credential;
  readonly path: string;
  readonly request: RouteExpectation['requests'][number];
  readonly headers: OutgoingHttpHeaders;
  readonly body: object | undefined;
}

async function cellsOf({ requests }: RouteExpectation, credentials: readonly Credential[]): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const request of requests) {
    for (const credential of credentials) {
      const headers = await world.headersOf(credential);
      const things = world.thingsOf(credential);
      const path = await pathOf(request, things);
      cells.push({ credential, request, path, headers, body: await request.body?.(things) });
    }
  }
  return cells;
}

/** A path that is served with other methods tells permitted callers so. */
const statusOf = ({ isOtherMethod }: Cell['request'], expected: number): number =>
  isOtherMethod === true && expected === 404 ? 405 : expected;

/** Sends each request, and describes what is wrong with its answer. */
async function judge(cells: readonly Cell[], expectation: RouteExpectation): Promise<string[]> {
  const wrong: string[] = [];
  for (const { credential, request, path, headers, body } of cells) {
    const answer = await service.call(request.method, path, { headers, body });
    const expected = statusOf(request, expectation.expected[credential]);
    const cell = `${request.method} ${path}, ${credential}`;
    const routes = told.filter((one) => one.method === request.method && one.path.test(path));
    if (routes.length > 0 && !routes.some(({ statuses }) => statuses.includes(String(answer.status))))
      wrong.push(`${cell}: OpenAPI does not tell ${answer.status}`);
    if (answer.status !== expected) {
      wrong.push(`${cell}: expected ${expected}, got ${answer.status} ${answer.text.slice(0, 200)}`);
    } else {
      wrong.push(
        ...mistakesOf(answer, { ...expectation, ...request }, credential).map((mistake) => `${cell}: ${mistake}`),
      );
    }
  }
  return wrong;
}

/** Resolves once no earlier write is still running. */
const quiet = (): Promise<void> =>
  eventually(async () => {
    const rows = await service.sql(
      "SELECT 1 FROM claim_writes UNION ALL SELECT 1 FROM usage_records WHERE state = 'RESERVED'",
    );
    return rows.length === 0;
  });

/** Routes that call a model, once for each permitted caller. */
const CALLS = new Set(['/v1/chat/completions', '/v1/embeddings', '/v1/responses']);

describe('each credential gets what the contract says', () => {
  it.each(Object.entries(ROUTES))('%s', async (_route, expectation) => {
    // Sorted by who the caller is: requests that are refused for their content go with the admitted.
    const isRefused = (credential: Credential): boolean => [401, 403].includes(expectation.expected[credential]);
    const refused = await cellsOf(expectation, CREDENTIALS.filter(isRefused));
    await quiet();
    const [rows, upstream] = [await rowCounts(service), service.upstream.requests.length];
    expect(await judge(refused, expectation)).toEqual([]);
    // A refusal writes nothing, and passes nothing on.
    expect(await rowCounts(service)).toEqual(rows);
    expect(service.upstream.requests.length).toBe(upstream);

    const admitted = await cellsOf(
      expectation,
      CREDENTIALS.filter((credential) => !isRefused(credential)),
    );
    expect(await judge(admitted, expectation)).toEqual([]);
    const calls = admitted.filter(
      ({ path, credential }) => CALLS.has(path) && expectation.expected[credential] === 200,
    );
    expect(service.upstream.requests.length - upstream).toBe(calls.length);
  });
});

/** Checks the answer's properties other than its status. */
function mistakesOf(
  answer: Answer,
  { dialect, expected }: Pick<RouteExpectation, 'dialect' | 'expected'>,
  credential: Credential,
): string[] {
  const mistakes: string[] = [];
  if (!answer.headers['x-request-id']) mistakes.push('no x-request-id');
  // On a gateway's paths no API key is recognised.
  const looksAtCredentials = expected['an expired token'] === 401 && dialect !== 'gateway';
  const counted = answer.headers['x-ratelimit-limit'] !== undefined;
  if (looksAtCredentials && KEYS_RECOGNISED.has(credential) && !counted) mistakes.push('no rate limit headers');
  if (answer.status === 401 && counted && !KEYS_RECOGNISED.has(credential)) {
    mistakes.push('rate limit headers for nobody');
  }
  if (answer.status >= 400 && !speaks(answer, dialect)) mistakes.push(`not in the dialect ${dialect}: ${answer.text}`);
  if (
    answer.status === 401 &&
    dialect !== 'none' &&
    dialect !== 'oauth' &&
    dialect !== 'process' &&
    codeOf(answer, dialect) !== codeOfRefusal(credential, dialect)
  ) {
    mistakes.push(`not the code ${codeOfRefusal(credential, dialect)}: ${answer.text}`);
  }
  return mistakes;
}

/** The code that a program gets for a refused credential, on either surface. */
function codeOf(answer: Answer, dialect: RouteExpectation['dialect']): string | undefined {
  const { error } = answer.json<{ error: { code: string; details: { reason: string }[] } }>();
  return dialect === 'platform' ? error.details[0]?.reason : error.code;
}

const CANONICAL: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  409: 'ALREADY_EXISTS',
};

/** The shape of each dialect's errors, by hand. */
function speaks(answer: Answer, dialect: RouteExpectation['dialect']): boolean {
  if (dialect === 'none') return true;
  if (dialect === 'oauth' || dialect === 'process') {
    const { error } = answer.json<{ error: Record<string, unknown> }>();
    const named = dialect === 'oauth' ? error['type'] === 'invalid_request' : error['statusCode'] === answer.status;
    return named && typeof error['message'] === 'string';
  }
  const body = answer.json<{ type?: unknown; message?: unknown; error: Record<string, unknown> }>();
  const { error } = body;
  if (dialect === 'platform') {
    const named = error['code'] === answer.status && error['status'] === CANONICAL[answer.status];
    return named && Array.isArray(error['details']) && error['requestId'] === answer.headers['x-request-id'];
  }
  const texts = [error['message'], error['type'], ...(dialect === 'gateway' ? [] : [body.type, body.message])];
  return texts.every((text) => typeof text === 'string') && 'param' in error && 'code' in error;
}

describe('methods', () => {
  it('HEAD is judged as GET is', async () => {
    const wrong: string[] = [];
    const gets = Object.values(ROUTES).flatMap(({ requests, expected }) =>
      requests.filter(({ method }) => method === 'GET').map((request) => ({ request, expected })),
    );
    for (const { request, expected } of gets) {
      const path = await pathOf(request, world.thingsOf('an owner'));
      for (const credential of [
        'nothing',
        'an expired token',
        'a key without scopes',
        'a key with every scope',
      ] as const) {
        const { status, text } = await service.call('HEAD', path, { headers: await world.headersOf(credential) });
        const wanted = statusOf(request, expected[credential]);
        if (status !== wanted) wrong.push(`HEAD ${path}, ${credential}: expected ${wanted}, got ${status}`);
        if (text !== '') wrong.push(`HEAD ${path}, ${credential}: a body`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('OPTIONS is answered before any credential is looked at', async () => {
    const wrong: string[] = [];
    for (const { requests } of Object.values(ROUTES)) {
      for (const request of requests) {
        const path = await pathOf(request, world.thingsOf('an owner'));
        for (const credential of [
          'nothing',
          'an expired token',
          'a key beside a token',
          'a key with every scope',
        ] as const) {
          const { status, headers } = await service.call('OPTIONS', path, {
            headers: await world.headersOf(credential),
          });
          const free = headers['x-ratelimit-limit'] === undefined && headers['access-control-allow-origin'] === '*';
          if (status !== 204 || !free) wrong.push(`OPTIONS ${path}, ${credential}: got ${status}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('the resources of another tenant', () => {
  it('are answered exactly as missing ones, on every route and for every role, and stay unchanged', async () => {
    expect(await crossTenantLeaks(service, world)).toEqual([]);
  });

  it('are answered so with row-level security switched off: the repositories filter by themselves', async () => {
    const tables = await service.sql<{ name: string }>(
      "SELECT quote_ident(relname) AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity",
    );
    const alter = (what: string) =>
      service.sql(tables.map(({ name }) => `ALTER TABLE ${name} ${what} ROW LEVEL SECURITY`).join(';'));
    await alter('DISABLE');
    try {
      expect(await crossTenantLeaks(service, world)).toEqual([]);
    } finally {
      await alter('ENABLE');
    }
  });

  it("can't be reached by a header, path or field that names the other tenant", async () => {
    const { a, b } = world;
    const key = (await service.createKey(a, { scopes: ['chat:write'] })).key;
    const owner = bearer(service.dashboardToken({ user: a.user, tenant: a.tenantId }));
    const naming = {
      'x-tenant-id': b.tenantId,
      'x-tenant': b.tenantId,
      'x-org-id': b.orgId,
      'x-forwarded-host': b.tenantId,
    };
    const listed = await service.call('POST', `/api/v1/api-keys/list?tenantId=${b.tenantId}&tenant_id=${b.tenantId}`, {
      headers: { ...owner, ...naming },
      body: {},
    });
    expect(listed.status).toBe(200);
    expect(listed.text).not.toContain(world.thingsOf("another tenant's key").keyId);
    for (const field of ['tenantId', 'tenant_id', 'orgId', 'org_id']) {
      const { status } = await service.call('POST', '/api/v1/api-keys/list', {
        headers: owner,
        body: { [field]: b.tenantId },
      });
      expect({ field, status }).toEqual({ field, status: 400 });
    }
    const before = await service.sql('SELECT id FROM usage_records WHERE tenant_id = $1', [b.tenantId]);
    const answer = await service.call('POST', `/v1/chat/completions?tenant_id=${b.tenantId}`, {
      headers: { ...apiKey(key), ...naming },
      body: {
        model: 'gpt-4o-mini',
        messages: [{ role: 'user', content: 'Hello' }],
        user: b.tenantId,
        tenant_id: b.tenantId,
      },
    });
    expect(answer.status).toBe(200);
    expect(await service.sql('SELECT id FROM usage_records WHERE tenant_id = $1', [b.tenantId])).toEqual(before);
  });
});
