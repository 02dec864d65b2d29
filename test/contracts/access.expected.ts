/**
 * Who gets what answer from which route: written by hand from the contract, never derived from the code under test. The
 * matrix (access.matrix.spec.ts) sends every cell over HTTP, and fails on a route that stands here and is not served, or
 * is served and does not stand here.
 *
 * A new route: add it below, one status for each credential, with the contract beside you. A new kind of credential: add
 * it to `CREDENTIALS`, and the compiler asks every route about it.
 */

/** Wrong in themselves, or refused by every route that looks at credentials; contract section 1, "Rules". */
const REFUSED = {
  // Anything that no verifier knows: 401.
  'a key that nobody has': 401,
  'a key with a bad checksum': 401,
  'a key cut short': 401,
  'a revoked key': 401,
  'an expired key': 401,
  'a publishable key alone': 401,
  'a publishable key beside a good token': 401,
  'a sealed access token that nobody sealed': 401,
  'garbage as bearer': 401,
  'an empty bearer': 401,
  'basic authorization': 401,
  'an expired token': 401,
  'an unsigned token': 401,
  'a token signed by a stranger': 401,
  'a token of another audience': 401,
  'a token of another issuer': 401,
  'a token of the development issuer': 401,
  // Two identities in one request: 400, even where one of them is worth nothing.
  'a key beside a token': 400,
  'a revoked key beside a good token': 400,
  'a key beside another key': 400,
  'a token twice': 400,
  // Speaking for somebody without the right to: 403, never ignored.
  'a key without users:impersonate on behalf of a human': 403,
  'a token on behalf of a human': 403,
  // This version serves no humans, and says so rather than ignoring the header. With the humans room these become what
  // the contract says of impersonation and of charging a human.
  'a key with users:impersonate on behalf of a human': 400,
  'a key on behalf of a blank': 400,
  'a key with a human to charge': 400,
  'a key with two different humans': 400,
  'a token with a human to charge': 400,
} as const;

/** Good credentials, or none at all: what they get is each route's to say. */
const RECOGNISED = [
  'nothing',
  'a key with every scope',
  'a key with chat:write alone',
  'a key with every scope but chat:write',
  'a key without scopes',
  'a key as bearer',
  'a key in both headers',
  "another tenant's key",
  // Dashboard tokens without a tenant, or without a membership in the one they claim.
  'an account',
  'a token of a tenant that does not exist',
  "a token of a tenant by another tenant's owner",
  'a token of a tenant by a removed member',
  // Dashboard tokens of members.
  'an owner',
  "an owner of both tenants, with the one's token",
  'an admin',
  'a developer',
  'a viewer',
  'a viewer whose token says owner',
] as const;

export type RefusedCredential = keyof typeof REFUSED;
export type RecognisedCredential = (typeof RECOGNISED)[number];
export type Credential = RefusedCredential | RecognisedCredential;

export const CREDENTIALS: readonly Credential[] = [...RECOGNISED, ...(Object.keys(REFUSED) as RefusedCredential[])];

/** The keys among them that a verifier knows: their answers carry the rate limit headers, errors too (section 2). */
export const KEYS_RECOGNISED: ReadonlySet<Credential> = new Set<Credential>([
  'a key with every scope',
  'a key with chat:write alone',
  'a key with every scope but chat:write',
  'a key without scopes',
  'a key as bearer',
  'a key in both headers',
  "another tenant's key",
]);

export type Expected = Readonly<Record<Credential, number>>;

export interface RouteExpectation {
  /** The concrete requests that stand for the route: a path, and a body that is good where the caller is. */
  readonly requests: readonly { readonly method: string; readonly path: string; readonly body?: BodyOf }[];
  readonly dialect: 'platform' | 'openai' | 'none';
  readonly expected: Expected;
  /** The field that names one of the caller's tenant's resources, if there is one. */
  readonly resource?: 'keyId';
}

/** What a body may speak of: things of the tenant that the credential belongs to. */
export interface Things {
  /** An active key. */
  readonly keyId: string;
  /** A key that is there to be revoked, any number of times. */
  readonly spareKeyId: string;
  /** The provider's model. */
  readonly model: string;
}
type BodyOf = (things: Things) => object;

const everybody = (status: number): Expected =>
  Object.fromEntries(CREDENTIALS.map((credential) => [credential, status])) as Record<Credential, number>;

// Section 1: "API keys cannot manage API keys"; "dashboard JWT without tenant_id: 403 on all but the account's routes";
// "no membership there, 403, whatever the claims say".
const KEYS_AND_OUTSIDERS_MAY_NOT = {
  nothing: 401,
  'a key with every scope': 403,
  'a key with chat:write alone': 403,
  'a key with every scope but chat:write': 403,
  'a key without scopes': 403,
  'a key as bearer': 403,
  'a key in both headers': 403,
  "another tenant's key": 403,
  'an account': 403,
  'a token of a tenant that does not exist': 403,
  "a token of a tenant by another tenant's owner": 403,
  'a token of a tenant by a removed member': 403,
} as const;

/** Section 2, `api-keys/…`: owner, admin, developer. */
const MANAGING_KEYS: Expected = {
  ...REFUSED,
  ...KEYS_AND_OUTSIDERS_MAY_NOT,
  'an owner': 200,
  "an owner of both tenants, with the one's token": 200,
  'an admin': 200,
  'a developer': 200,
  'a viewer': 403,
  'a viewer whose token says owner': 403,
};

/** Section 2, `api-keys/…`: "reads: viewer". */
const READING_KEYS: Expected = {
  ...MANAGING_KEYS,
  'a viewer': 200,
  'a viewer whose token says owner': 200,
};

/**
 * Section 3: completions take keys with `chat:write` and dashboard users from developer up. Of `/v1/models` it says no
 * more than that it is there: ours, the same, since its list says what completions can name.
 */
const CHATTING: Expected = {
  ...REFUSED,
  nothing: 401,
  'a key with every scope': 200,
  'a key with chat:write alone': 200,
  'a key with every scope but chat:write': 403,
  'a key without scopes': 403,
  'a key as bearer': 200,
  'a key in both headers': 200,
  "another tenant's key": 200,
  'an account': 403,
  'a token of a tenant that does not exist': 403,
  "a token of a tenant by another tenant's owner": 403,
  'a token of a tenant by a removed member': 403,
  'an owner': 200,
  "an owner of both tenants, with the one's token": 200,
  'an admin': 200,
  'a developer': 200,
  'a viewer': 403,
  'a viewer whose token says owner': 403,
};

/** Health, documentation and public keys look at no credential. */
const PUBLIC = everybody(200);

/** Whoever is recognised hears that there is nothing; a wrong credential is told to be wrong first. */
const NOTHING_THERE: Expected = { ...everybody(404), ...REFUSED };

export const ROUTES: Readonly<Record<string, RouteExpectation>> = {
  'POST /api/v1/orgs/create': {
    requests: [{ method: 'POST', path: '/api/v1/orgs/create', body: () => ({ name: 'A new org' }) }],
    dialect: 'platform',
    // Section 2: "account, or a JWT without tenant"; "an API key: 403"; "a user who has an org otherwise: 409". Section
    // 1: a token whose tenant has no membership of this user is an account on this route.
    expected: {
      ...REFUSED,
      nothing: 401,
      'a key with every scope': 403,
      'a key with chat:write alone': 403,
      'a key with every scope but chat:write': 403,
      'a key without scopes': 403,
      'a key as bearer': 403,
      'a key in both headers': 403,
      "another tenant's key": 403,
      'an account': 200,
      'a token of a tenant that does not exist': 200,
      "a token of a tenant by another tenant's owner": 409,
      'a token of a tenant by a removed member': 200,
      'an owner': 409,
      "an owner of both tenants, with the one's token": 409,
      'an admin': 409,
      'a developer': 409,
      'a viewer': 409,
      'a viewer whose token says owner': 409,
    },
  },

  'POST /api/v1/api-keys/create': {
    requests: [{ method: 'POST', path: '/api/v1/api-keys/create', body: () => ({ name: 'A new key' }) }],
    dialect: 'platform',
    expected: MANAGING_KEYS,
  },
  'POST /api/v1/api-keys/list': {
    requests: [{ method: 'POST', path: '/api/v1/api-keys/list', body: () => ({}) }],
    dialect: 'platform',
    expected: READING_KEYS,
  },
  'POST /api/v1/api-keys/get': {
    requests: [{ method: 'POST', path: '/api/v1/api-keys/get', body: ({ keyId }) => ({ keyId }) }],
    dialect: 'platform',
    expected: READING_KEYS,
    resource: 'keyId',
  },
  'POST /api/v1/api-keys/update': {
    requests: [
      { method: 'POST', path: '/api/v1/api-keys/update', body: ({ keyId }) => ({ keyId, description: 'Changed' }) },
    ],
    dialect: 'platform',
    expected: MANAGING_KEYS,
    resource: 'keyId',
  },
  'POST /api/v1/api-keys/revoke': {
    requests: [{ method: 'POST', path: '/api/v1/api-keys/revoke', body: ({ spareKeyId }) => ({ keyId: spareKeyId }) }],
    dialect: 'platform',
    expected: MANAGING_KEYS,
    resource: 'keyId',
  },

  'POST /v1/chat/completions': {
    requests: [
      {
        method: 'POST',
        path: '/v1/chat/completions',
        body: ({ model }) => ({ model, messages: [{ role: 'user', content: 'Hello' }] }),
      },
    ],
    dialect: 'openai',
    expected: CHATTING,
  },
  'GET /v1/models': {
    requests: [{ method: 'GET', path: '/v1/models' }],
    dialect: 'openai',
    expected: CHATTING,
  },
  'GET /v1/models/*': {
    requests: [{ method: 'GET', path: '/v1/models/gpt-4o-mini' }],
    dialect: 'openai',
    expected: CHATTING,
  },

  'GET /health/live': { requests: [{ method: 'GET', path: '/health/live' }], dialect: 'platform', expected: PUBLIC },
  'GET /health/ready': { requests: [{ method: 'GET', path: '/health/ready' }], dialect: 'platform', expected: PUBLIC },
  'GET /.well-known/jwks.json': {
    requests: [{ method: 'GET', path: '/.well-known/jwks.json' }],
    dialect: 'platform',
    expected: PUBLIC,
  },

  // What the documentation's package registers; the router serves it past our guards, so that it must hold nothing else.
  'GET /docs': { requests: [{ method: 'GET', path: '/docs' }], dialect: 'none', expected: PUBLIC },
  'GET /docs/swagger-ui-init.js': {
    requests: [{ method: 'GET', path: '/docs/swagger-ui-init.js' }],
    dialect: 'none',
    expected: PUBLIC,
  },
  'GET /docs/docs/swagger-ui-init.js': {
    requests: [{ method: 'GET', path: '/docs/docs/swagger-ui-init.js' }],
    dialect: 'none',
    expected: PUBLIC,
  },
  'GET /docs/index.html': {
    requests: [{ method: 'GET', path: '/docs/index.html' }],
    dialect: 'none',
    expected: PUBLIC,
  },
  // The package hides its licence file behind a 404.
  'GET /docs/LICENSE': {
    requests: [{ method: 'GET', path: '/docs/LICENSE' }],
    dialect: 'none',
    expected: everybody(404),
  },
  'GET /docs/*': {
    requests: [{ method: 'GET', path: '/docs/swagger-ui.css' }],
    dialect: 'none',
    expected: PUBLIC,
  },
  'GET /openapi.json': { requests: [{ method: 'GET', path: '/openapi.json' }], dialect: 'none', expected: PUBLIC },
  'GET /openapi.yaml': { requests: [{ method: 'GET', path: '/openapi.yaml' }], dialect: 'none', expected: PUBLIC },

  'ALL /v1': { requests: [{ method: 'GET', path: '/v1' }], dialect: 'openai', expected: NOTHING_THERE },
  'ALL /v1/*': {
    requests: [
      { method: 'GET', path: '/v1/nothing' },
      { method: 'GET', path: '/v1/chat/completions' },
      { method: 'DELETE', path: '/v1/models/gpt-4o-mini' },
      { method: 'POST', path: '/v1/usage/nothing/at/all', body: () => ({}) },
    ],
    dialect: 'openai',
    expected: NOTHING_THERE,
  },
  'ALL /': { requests: [{ method: 'GET', path: '/' }], dialect: 'platform', expected: NOTHING_THERE },
  'ALL /*': {
    requests: [
      { method: 'GET', path: '/nothing' },
      { method: 'GET', path: '/api/v1/api-keys/list' },
      { method: 'POST', path: '/api/v1/api-keys/nothing', body: () => ({}) },
      { method: 'POST', path: '/health/live', body: () => ({}) },
      { method: 'GET', path: '/api/v1/%61pi-keys' },
    ],
    dialect: 'platform',
    expected: NOTHING_THERE,
  },
};
