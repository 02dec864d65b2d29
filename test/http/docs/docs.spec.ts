import type { Answer } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';

let service: SharedService;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

const get = (path: string): Promise<Answer> => service.call('GET', path);

describe('the documentation', () => {
  it.each(['/docs', '/docs/'])('loads at %s with all resources of its page, as in a browser', async (path) => {
    const page = await get(path);
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    const references = [...page.text.matchAll(/<(?:script|link|img)\b[^>]*?\b(?:src|href)="([^"]+)"/g)].map(
      ([, reference]) => reference!,
    );
    expect(references.filter((reference) => reference.includes('.js')).length).toBeGreaterThanOrEqual(2);
    expect(references.filter((reference) => reference.includes('.css')).length).toBeGreaterThanOrEqual(1);
    for (const reference of references) {
      const address = new URL(reference, `${service.baseUrl}${path}`);
      expect(address.origin).toBe(service.baseUrl);
      const asset = await get(address.pathname + address.search);
      expect([reference, asset.status]).toEqual([reference, 200]);
      expect(asset.text.length).toBeGreaterThan(0);
      if (reference.includes('.js')) expect(asset.headers['content-type']).toMatch(/javascript/);
      if (reference.includes('.css')) expect(asset.headers['content-type']).toMatch(/css/);
    }
  });

  it('runs no script that the page’s own policy forbids', async () => {
    const { text, headers } = await get('/docs');
    expect(headers['content-security-policy']).toMatch(/script-src 'self'/);
    // The policy would block an inline script.
    expect([...text.matchAll(/<script(?![^>]*\bsrc=)[^>]*>\s*\S/g)]).toEqual([]);
    expect(text).not.toMatch(/\son[a-z]+="/);
  });

  it("keeps the credentials that were entered, and shows the product's name", async () => {
    const page = await get('/docs');
    expect(page.text).toContain('<title>Gatehouse API</title>');
    const script = await get('/docs/swagger-ui-init.js');
    expect(script.text).toMatch(/"persistAuthorization":\s*true/);
  });

  it('is protected as a page, and needs no credential', async () => {
    const { headers } = await get('/docs');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['x-frame-options']).toBe('SAMEORIGIN');
    expect(headers['content-security-policy']).toContain("default-src 'self'");
  });
});

describe('/openapi.json', () => {
  interface Operation {
    readonly security?: readonly Record<string, readonly string[]>[];
    readonly requestBody?: {
      readonly content: Record<string, { readonly schema: { readonly $ref?: string }; readonly example?: object }>;
    };
    readonly responses: Record<string, { readonly content?: object }>;
  }
  interface Document {
    readonly openapi: string;
    readonly paths: Record<string, Record<string, Operation>>;
    readonly components: {
      readonly securitySchemes: Record<
        string,
        { readonly type: string; readonly name?: string; readonly scheme?: string }
      >;
    };
  }

  let document: Document;

  beforeAll(async () => {
    document = (await get('/openapi.json')).json<Document>();
  });

  const PEOPLE_AND_TENANTS = [
    'me/get',
    ...['create', 'list', 'get', 'update', 'delete', 'list-members', 'update-member', 'remove-member'].map(
      (method) => `orgs/${method}`,
    ),
    ...['invite-member', 'list-invitations', 'revoke-invitation', 'accept-invitation'].map(
      (method) => `orgs/${method}`,
    ),
    ...['create', 'list', 'get', 'update', 'switch', 'delete'].map((method) => `tenants/${method}`),
  ];
  const THREADS = 'POST /api/v1/llm/gateway';
  const CONTEXT = '/v1/llm/context';
  /** Lists of models, and calls to them: for permitted callers. */
  const OF_MODELS = [
    'GET /v1/models',
    'GET /v1/models/{path}',
    'GET /v1/responses/{response}',
    'DELETE /v1/responses/{response}',
    'GET /v1/llm/list',
    'GET /v1/llm/{llm}',
    `POST ${CONTEXT}`,
    `GET ${CONTEXT}/list`,
    `GET ${CONTEXT}/{context}`,
    `POST ${CONTEXT}/{context}/message`,
    `GET ${CONTEXT}/{context}/message/list`,
    `GET ${CONTEXT}/{context}/message/{message}`,
    `${THREADS}/create-thread`,
    `${THREADS}/list-threads`,
    `${THREADS}/send-message`,
    `${THREADS}/conversation-state`,
    `${THREADS}/update-thread`,
    `${THREADS}/delete-thread`,
    `${THREADS}/cancel-run`,
    `${THREADS}/run-events`,
    `${THREADS}/submit-tool-outputs`,
  ];
  /** Sealed access tokens are accepted too. */
  const CALLS = ['POST /v1/chat/completions', 'POST /v1/embeddings', 'POST /v1/responses'];
  const FOR_THE_TENANT = [
    ...['list-calls', 'get-call', 'list-tokens', 'revoke-token'].map((method) => `usage/${method}`),
    ...['list', 'create', 'get', 'update', 'delete', 'test'].map((method) => `llm/providers/${method}`),
    ...['list', 'create', 'get', 'update', 'delete'].map((method) => `llm/routes/${method}`),
    ...['list', 'update'].map((method) => `llm/models/${method}`),
    'audit/list',
    ...['list', 'create', 'get', 'update', 'delete', 'list-calls', 'get-call'].map((method) => `gateways/${method}`),
    'gateways/{gatewayId}/tokens',
    ...['list', 'set', 'delete'].map((method) => `budgets/${method}`),
    ...['list', 'get', 'upsert', 'delete'].map((method) => `humans/${method}`),
    ...['report', 'query'].map((method) => `usage/${method}`),
    ...['create', 'list', 'get', 'update', 'delete', 'rotate-secret', 'list-deliveries', 'redeliver', 'test'].map(
      (method) => `webhooks/${method}`,
    ),
  ];
  const GATEWAY = '/gateways/{gatewayId}';
  const OF_GATEWAYS = [
    `GET ${GATEWAY}/v1/models`,
    `GET ${GATEWAY}/v1/models/{path}`,
    `POST ${GATEWAY}/v1/chat/completions`,
    `POST ${GATEWAY}/v1/embeddings`,
    `POST ${GATEWAY}/v1/responses`,
    `POST ${GATEWAY}/{provider}/{model}/chat/completions`,
  ];
  const DASHBOARD = ['dashboardToken'];
  const SECRET = ['secretKey', 'secretKeyBearer'];
  const ALL = ['dashboardToken', 'publishableKey+userToken', ...SECRET, 'usageToken'];
  /** Each route is also served under its older path. */
  const OF_USAGE = [
    ...['POST token', 'PUT token', 'POST token/check', 'POST token/revoke', 'POST token/update_ttl'].map(
      (route) => [route, SECRET] as const,
    ),
    ['GET limits', [...SECRET, 'usageToken']] as const,
  ].flatMap(([route, credentials]) =>
    ['/v1/usage/', '/api/v1/usage/'].map((prefix) => [route.replace(' ', ` ${prefix}`), credentials] as const),
  );

  it('lists every route with the credentials that it accepts, and no other', () => {
    const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security = [] }]) => [
        `${method.toUpperCase()} ${path}`,
        security.map((scheme) => Object.keys(scheme).join('+')).sort(),
      ]),
    );
    expect(Object.fromEntries(listed)).toEqual({
      'GET /.well-known/jwks.json': [],
      'GET /health/live': [],
      'GET /health/ready': [],
      'GET /dashboard/config.json': [],
      'POST /api/v1/api-keys/create': DASHBOARD,
      'POST /api/v1/api-keys/create-publishable': DASHBOARD,
      'POST /api/v1/api-keys/get': DASHBOARD,
      'POST /api/v1/api-keys/list': DASHBOARD,
      'POST /api/v1/api-keys/revoke': DASHBOARD,
      'POST /api/v1/api-keys/rotate': DASHBOARD,
      'POST /api/v1/api-keys/update': DASHBOARD,
      ...Object.fromEntries(CALLS.map((route) => [route, [...ALL, 'sealedToken'].sort()])),
      ...Object.fromEntries(
        ['/api/v1', '/api/v1alpha1'].flatMap((prefix) => [
          [`POST ${prefix}/oauth/token`, ['', ...SECRET]],
          [`POST ${prefix}/process`, ['', 'sealedToken']],
          [`HEAD ${prefix}/process`, []],
          [`GET ${prefix}/ping`, []],
          [`GET ${prefix}/version`, []],
        ]),
      ),
      ...Object.fromEntries(OF_GATEWAYS.map((route) => [route, ['', 'gatewayToken', 'gatewayTokenHeader']])),
      [`GET /api/v1${GATEWAY}/tokens`]: [...DASHBOARD, ...SECRET],
      [`PATCH /api/v1${GATEWAY}/tokens/{tokenId}`]: [...DASHBOARD, ...SECRET],
      [`DELETE /api/v1${GATEWAY}/tokens/{tokenId}`]: [...DASHBOARD, ...SECRET],
      ...Object.fromEntries(OF_MODELS.map((route) => [route, ALL])),
      ...Object.fromEntries(FOR_THE_TENANT.map((route) => [`POST /api/v1/${route}`, ['dashboardToken', ...SECRET]])),
      ...Object.fromEntries(PEOPLE_AND_TENANTS.map((route) => [`POST /api/v1/${route}`, DASHBOARD])),
      ...Object.fromEntries(OF_USAGE),
    });
  });

  it('says how each credential is sent', () => {
    expect(document.openapi).toMatch(/^3\./);
    expect(document.components.securitySchemes).toMatchObject({
      dashboardToken: { type: 'http', scheme: 'bearer' },
      secretKey: { type: 'apiKey', name: 'X-API-Key' },
      secretKeyBearer: { type: 'http', scheme: 'bearer' },
    });
  });

  it('describes request and answer at every route that has a body', () => {
    const posts = Object.entries(document.paths).flatMap(([path, { post }]) =>
      post === undefined ? [] : [[path, post] as const],
    );
    expect(posts.length).toBeGreaterThan(0);
    for (const [path, post] of posts) {
      // `orgs/get` needs nothing: its request is an empty object.
      const asked = post.requestBody?.content['application/json'];
      expect([path, asked?.schema.$ref !== undefined, asked?.example !== undefined]).toEqual([path, true, true]);
      expect([path, Object.keys(post.responses)]).toEqual([path, expect.arrayContaining(['200', '400', '500'])]);
      const isEmpty = /\/usage\/token\/(?:revoke|update_ttl)$/.test(path);
      expect([path, post.responses['200']?.content !== undefined]).toEqual([path, !isEmpty]);
    }
  });

  it('is available as YAML too', async () => {
    const answer = await get('/openapi.yaml');
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(/^openapi: /m);
  });
});

describe('the keys that verify what the platform signs', () => {
  it('are public halves only', async () => {
    const { keys } = (await get('/.well-known/jwks.json')).json<{ keys: Record<string, unknown>[] }>();
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys)
      expect(Object.keys(key).filter((name) => ['d', 'p', 'q', 'k', 'dp', 'dq', 'qi'].includes(name))).toEqual([]);
  });
});
