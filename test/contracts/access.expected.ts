/**
 * Which route gives which caller what answer: written by hand, never derived from the code under test. The matrix
 * (access.matrix.spec.ts) sends every cell over HTTP. It fails on a route that is listed here and not served, or served and not
 * listed here.
 *
 * A new route: add it below, one status for each credential. A new kind of credential: add it to access.credentials.ts, and the
 * compiler asks every route about it.
 */
import { randomUUID } from 'node:crypto';
import { CREDENTIALS, REFUSED, type Credential, type RecognisedCredential } from './access.credentials.js';

type Expected = Readonly<Record<Credential, number>>;

type ToldDialect = 'platform' | 'openai' | 'oauth' | 'process' | 'gateway' | 'none';

interface ConcreteRequest {
  readonly method: string;
  /** A function, where the path names one of the caller's resources. */
  readonly path: string | ((things: Things) => string | Promise<string>);
  readonly body?: BodyOf;
  /** Set where it differs from the route's. */
  readonly dialect?: ToldDialect;
  /** The path is served with other methods: 405 where the route says 404. */
  readonly isOtherMethod?: true;
}

export interface RouteExpectation {
  /** The concrete requests that stand for the route: a path, and a body that is valid for a permitted caller. */
  readonly requests: readonly ConcreteRequest[];
  readonly dialect: ToldDialect;
  readonly expected: Expected;
  /** The field that names a resource of the caller's tenant or org, if there is one. */
  readonly resource?:
    | 'keyId'
    | 'tenantId'
    | 'userId'
    | 'invitationId'
    | 'endpointId'
    | 'deliveryId'
    | 'providerId'
    | 'routeId'
    | 'human'
    | 'budgetId'
    | 'gatewayId'
    | 'gatewayTokenId'
    | 'conversationKey'
    | 'runId';
}

/** The resources that a body may name: those of the credential's tenant. */
export interface Things {
  /** An active key that holds no more than any creator's default scopes. */
  readonly keyId: string;
  /** A key that may be revoked, any number of times. */
  readonly spareKeyId: string;
  /** The caller's tenant. */
  readonly tenantId: string;
  /** The provider's model. */
  readonly model: string;
  /** An existing human. */
  readonly human: string;
  /** The issuer of a publishable key's users. */
  readonly issuer: string;
  /** An enabled webhook endpoint, and a delivery to it. */
  readonly endpointId: string;
  readonly deliveryId: string;
  /** Keys of a thread and a run that the caller does not have. */
  readonly conversationKey: string;
  readonly runId: string;
  spareEndpointId(): Promise<string>;
  /** One of the tenant's model providers; its server can't be reached. */
  readonly providerId: string;
  spareProviderId(): Promise<string>;
  readonly routeId: string;
  spareRouteId(): Promise<string>;
  /** A gateway whose provider can't be reached, and a token of it. */
  readonly gatewayId: string;
  spareGatewayId(): Promise<string>;
  readonly gatewayTokenId: string;
  spareGatewayTokenId(): Promise<string>;
  /** Each is created anew, since a route may use it up: a tenant (named `Spare`), a member, an invitation, a human, a budget. */
  spareTenantId(): Promise<string>;
  spareUserId(): Promise<string>;
  spareInvitationId(): Promise<string>;
  spareHuman(): Promise<string>;
  spareBudgetId(): Promise<string>;
  /** The token of an invitation to another org, for the address that every token of the matrix has. */
  invitationToken(): Promise<string>;
}
type BodyOf = (things: Things) => object | Promise<object>;

/** The path of a request. */
export async function pathOf({ path }: Pick<ConcreteRequest, 'path'>, things: Things): Promise<string> {
  return typeof path === 'string' ? path : path(things);
}

const everybody = (status: number): Expected =>
  Object.fromEntries(CREDENTIALS.map((credential) => [credential, status])) as Record<Credential, number>;

const ALL_KEYS = [
  'a key with every scope',
  'a key with chat:write alone',
  'a key with every scope but chat:write',
  'a key without scopes',
  'a key as bearer',
  'a key in both headers',
  'a rotated key',
  "another tenant's key",
  'a key with a human to charge',
  'a key with every scope on behalf of a human',
  'a key with every scope on behalf of the human that it charges',
  'a key with users:impersonate alone on behalf of a human',
  'an end user',
  'an end user from an allowed origin',
  'an end user who says whom to charge',
  'an end user by a key without scopes',
  "another tenant's end user",
] as const satisfies readonly RecognisedCredential[];

const USAGE_TOKENS = [
  'a usage token',
  'a usage token that says whom to charge',
  'a usage token of a rotated key',
  'a usage token of a key with chat:write alone',
  'a usage token of a key that was narrowed to usage:read',
  'a usage token of a key without scopes',
  "another tenant's usage token",
] as const satisfies readonly RecognisedCredential[];

const SEALED_TOKENS = [
  'a sealed access token',
  'a sealed access token made without a key',
  "another tenant's sealed access token",
] as const satisfies readonly RecognisedCredential[];

/** Contract section 1: valid only on their own gateway's paths. */
const GATEWAY_TOKENS = [
  'a gateway token',
  "another tenant's gateway token",
] as const satisfies readonly RecognisedCredential[];

const OUTSIDERS = [
  'an account',
  'a token of a tenant that does not exist',
  "a token of a tenant by another tenant's owner",
  'a token of a tenant by a removed member',
] as const satisfies readonly RecognisedCredential[];

const each = <C extends Credential>(credentials: readonly C[], status: number): Record<C, number> =>
  Object.fromEntries(credentials.map((credential) => [credential, status])) as Record<C, number>;

/**
 * Section 1: "dashboard JWT without `tenant_id`: 403 on all but the account's routes"; "no membership there, 403, whatever
 * the claims say". An API key has no role.
 */
const PEOPLE_ALONE = {
  ...REFUSED,
  nothing: 401,
  ...each(GATEWAY_TOKENS, 401),
  ...each(ALL_KEYS, 403),
  ...each(USAGE_TOKENS, 403),
  ...each(SEALED_TOKENS, 403),
  ...each(OUTSIDERS, 403),
} as const;

/** The statuses by role; a permitted caller gets `status`. A viewer whose token says owner is still a viewer. */
const byRole = (may: { owner: number; admin: number; developer: number; viewer: number }): Expected => ({
  ...PEOPLE_ALONE,
  'an owner': may.owner,
  "an owner of both tenants, with the one's token": may.owner,
  'an admin': may.admin,
  'a developer': may.developer,
  'a viewer': may.viewer,
  'a viewer whose token says owner': may.viewer,
});

/** Section 2, `api-keys/…`: owner, admin, developer; "API keys cannot manage API keys". */
const MANAGING_KEYS = byRole({ owner: 200, admin: 200, developer: 200, viewer: 403 });
/** "Reads: viewer"; every member may read the data of an org and its tenants. */
const ANY_MEMBER = byRole({ owner: 200, admin: 200, developer: 200, viewer: 200 });
/** Section 1: a developer may "not members"; an admin may "all but" deleting the org or a tenant, and naming owners. */
const ADMINISTRATION = byRole({ owner: 200, admin: 200, developer: 403, viewer: 403 });
const OWNERS_ALONE = byRole({ owner: 200, admin: 403, developer: 403, viewer: 403 });

/**
 * Section 3: completions take keys with `chat:write` (for a human too, however the human is named) and dashboard users from
 * developer up. The section says only that `/v1/models` exists. We give it the same access, since its list shows what
 * completions can name.
 */
const CHATTING: Expected = {
  ...byRole({ owner: 200, admin: 200, developer: 200, viewer: 403 }),
  ...each(ALL_KEYS, 200),
  ...each(USAGE_TOKENS, 200),
  'a usage token of a key that was narrowed to usage:read': 403,
  'a usage token of a key without scopes': 403,
  'a key with every scope but chat:write': 403,
  'a key without scopes': 403,
  'a key with users:impersonate alone on behalf of a human': 403,
  'an end user by a key without scopes': 403,
};

/** Section 3, LLM: the list of completions' callers ends with "sealed token"; section 4: it asks by its own secrets. */
const CALLING: Expected = { ...CHATTING, ...each(SEALED_TOKENS, 200) };

/**
 * Section 4: "no auth needed; with an `sk_`, the token is that tenant's". A token may be used for calls, so it needs
 * `chat:write`.
 */
const MINTING: Expected = {
  ...PEOPLE_ALONE,
  ...byRole({ owner: 403, admin: 403, developer: 403, viewer: 403 }),
  nothing: 200,
  ...each(
    [
      'a key with every scope',
      'a key with chat:write alone',
      'a key as bearer',
      'a key in both headers',
      'a rotated key',
      "another tenant's key",
      'a key with a human to charge',
    ],
    200,
  ),
};

/** Section 4: sealed tokens only; `chat:dummy`, which the matrix calls, needs no secret. */
const PROCESSING: Expected = {
  ...byRole({ owner: 403, admin: 403, developer: 403, viewer: 403 }),
  nothing: 200,
  ...each(SEALED_TOKENS, 200),
};

/** Section 2: "JWT, sk, sk+OBO, pk+JWT, usage token"; a list of conversations asks for `conversations:read`. */
const READING_CONVERSATIONS: Expected = {
  ...ANY_MEMBER,
  ...each(ALL_KEYS, 200),
  ...each(USAGE_TOKENS, 200),
  'a usage token of a key with chat:write alone': 403,
  'a usage token of a key that was narrowed to usage:read': 403,
  'a usage token of a key without scopes': 403,
  'a key with chat:write alone': 403,
  'a key with a human to charge': 403,
  'a key without scopes': 403,
  'a key with users:impersonate alone on behalf of a human': 403,
  'an end user by a key without scopes': 403,
};

/** Keys with `conversations:write`; of people, developers up. */
const WRITING_CONVERSATIONS: Expected = {
  ...READING_CONVERSATIONS,
  ...MANAGING_KEYS,
  ...each(ALL_KEYS, 200),
  ...each(USAGE_TOKENS, 200),
  'a usage token of a key with chat:write alone': 403,
  'a usage token of a key that was narrowed to usage:read': 403,
  'a usage token of a key without scopes': 403,
  'a key with chat:write alone': 403,
  'a key with a human to charge': 403,
  'a key without scopes': 403,
  'a key with users:impersonate alone on behalf of a human': 403,
  'an end user by a key without scopes': 403,
};

/** Section 3: a context belongs to the identity of any kind that made it; storing something in it needs `conversations:write`. */
const CONVERSING: Expected = {
  ...READING_CONVERSATIONS,
  'a viewer': 403,
  'a viewer whose token says owner': 403,
};

/** A tenant's servers, by keys that hold every scope; no caller who is, or acts as, a human. */
const SERVERS = {
  'a key with every scope': 200,
  'a key with every scope but chat:write': 200,
  'a key as bearer': 200,
  'a key in both headers': 200,
  'a rotated key': 200,
  "another tenant's key": 200,
} as const;

/** Section 2, `audit/list`: "`audit:read`, owner, admin"; not as a human. */
const READING_AUDIT: Expected = { ...ADMINISTRATION, ...SERVERS };

/**
 * Section 2, `humans/…`: "`humans:*`, JWT"; `usage/query` and `budgets/list`: "`usage:read`, JWT"; viewers hold "every
 * `…:read` but audit".
 */
const READING_FOR_THE_TENANT: Expected = { ...ANY_MEMBER, ...SERVERS };
/** `humans:write`, `usage/report` and `budgets/…`: "`usage:write`"; of people, developers up. */
const WRITING_FOR_THE_TENANT: Expected = { ...MANAGING_KEYS, ...SERVERS };

/**
 * Sections 1 and 2: `webhooks/…` is for "`webhooks:*`, JWT", and `llm/providers/…` and `llm/routes/…` for
 * "`providers:*`, JWT"; a viewer reads; not as a human.
 */
const READING_WEBHOOKS: Expected = { ...ANY_MEMBER, ...SERVERS };
const MANAGING_WEBHOOKS: Expected = { ...MANAGING_KEYS, ...SERVERS };

/**
 * Section 3: secret keys alone, by `usage:write`; "key-only routes called with one: 401" of usage tokens. Not on a
 * human's behalf: the human to charge is in the body.
 */
const WRITING_USAGE: Expected = {
  ...PEOPLE_ALONE,
  ...each(['an owner', "an owner of both tenants, with the one's token", 'an admin', 'a developer'], 403),
  ...each(['a viewer', 'a viewer whose token says owner'], 403),
  ...each(USAGE_TOKENS, 401),
  ...SERVERS,
};

/** "sk", with any scopes. */
const CHECKING_TOKENS: Expected = {
  ...WRITING_USAGE,
  'a key with chat:write alone': 200,
  'a key without scopes': 200,
  'a key with a human to charge': 200,
};

/** "sk + `x-human-id`, or usage token", which reads by `usage:read`; a key that names no human: 400. */
const READING_LIMITS: Expected = {
  ...WRITING_USAGE,
  'a key with every scope': 400,
  'a key with chat:write alone': 400,
  'a key with every scope but chat:write': 400,
  'a key without scopes': 400,
  'a key as bearer': 400,
  'a key in both headers': 400,
  'a rotated key': 400,
  "another tenant's key": 400,
  'a key with a human to charge': 200,
  ...each(USAGE_TOKENS, 200),
  'a usage token of a key with chat:write alone': 403,
  'a usage token of a key without scopes': 403,
};

/**
 * Section 5: a gateway's own tokens; "missing, unknown, another gateway's, expired or
 * deleted: the same 401", whatever else a header holds.
 */
const CALLING_A_GATEWAY: Expected = {
  ...everybody(401),
  ...each(GATEWAY_TOKENS, 200),
  // It is unclear which of the two is meant.
  'a token twice': 400,
};

/** Health, documentation and public keys read no credential. */
const PUBLIC = everybody(200);

/** A recognised caller gets 404; a wrong credential is refused before that. */
const NOTHING_THERE: Expected = { ...everybody(404), ...REFUSED, ...each(GATEWAY_TOKENS, 401) };

/** A permitted caller gets 404. */
const missingAtLast = (expected: Expected): Expected =>
  Object.fromEntries(Object.entries(expected).map(([who, status]) => [who, status === 200 ? 404 : status])) as Expected;

/** A permitted caller gets 400. */
const refusedAtLast = (expected: Expected): Expected =>
  Object.fromEntries(Object.entries(expected).map(([who, status]) => [who, status === 200 ? 400 : status])) as Expected;

/** A context without an owner: each caller has its own contexts, and another caller's is answered as a missing one. */
const NO_CONTEXT = '/v1/llm/context/019a0000-0000-7000-8000-000000000000';

const openai = (method: string, route: string, path: string, expected: Expected, body?: BodyOf) => ({
  [`${method} ${route}`]: {
    requests: [{ method, path, ...(body === undefined ? {} : { body }) }],
    dialect: 'openai',
    expected,
  } satisfies RouteExpectation,
});

const post = (route: string, expected: Expected, body: BodyOf, resource?: RouteExpectation['resource']) => ({
  [`POST /api/v1/${route}`]: {
    requests: [{ method: 'POST', path: `/api/v1/${route}`, body }],
    dialect: 'platform',
    expected,
    ...(resource === undefined ? {} : { resource }),
  } satisfies RouteExpectation,
});

/** Section 4: each route also exists under `/api/v1alpha1`. */
const aisbreaker = (
  method: string,
  route: string,
  dialect: ToldDialect,
  expected: Expected,
  body?: BodyOf,
): Record<string, RouteExpectation> =>
  Object.fromEntries(
    ['/api/v1', '/api/v1alpha1'].map((prefix) => [
      `${method} ${prefix}/${route}`,
      {
        requests: [{ method, path: `${prefix}/${route}`, ...(body === undefined ? {} : { body }) }],
        dialect,
        expected,
      },
    ]),
  );

/** Each route also exists under its older path; the human of the matrix is the one whom its credentials name. */
const usage = (method: string, route: string, expected: Expected, body?: BodyOf): Record<string, RouteExpectation> =>
  Object.fromEntries(
    ['/v1/usage', '/api/v1/usage'].map((prefix) => [
      `${method} ${prefix}/${route}`,
      {
        requests: [{ method, path: `${prefix}/${route}`, ...(body === undefined ? {} : { body }) }],
        dialect: 'openai',
        expected,
      },
    ]),
  );

/** A call by a gateway. The gateway of the matrix can't reach its provider, and says so. */
const gateway = (path: string, body: BodyOf): Record<string, RouteExpectation> => ({
  [`POST /gateways/:gatewayId/${path}`]: {
    requests: [
      {
        method: 'POST',
        path: ({ gatewayId }) => `/gateways/${gatewayId}/${path.replace(':', '').replace(':', '')}`,
        body,
      },
    ],
    dialect: 'gateway',
    expected: Object.fromEntries(
      Object.entries(CALLING_A_GATEWAY).map(([who, status]) => [who, status === 200 ? 404 : status]),
    ) as Expected,
  },
});

const tokensOfGateway = (
  method: string,
  expected: Expected,
  body?: BodyOf,
  tokenId: ((things: Things) => string | Promise<string>) | null = null,
): Record<string, RouteExpectation> => ({
  [`${method} /api/v1/gateways/:gatewayId/tokens${tokenId === null ? '' : '/:tokenId'}`]: {
    requests: [
      {
        method,
        path: async (things) =>
          `/api/v1/gateways/${things.gatewayId}/tokens${tokenId === null ? '' : `/${await tokenId(things)}`}`,
        ...(body === undefined ? {} : { body }),
      },
    ],
    dialect: 'platform',
    expected,
    resource: tokenId === null ? 'gatewayId' : 'gatewayTokenId',
  },
});

export const ROUTES: Readonly<Record<string, RouteExpectation>> = {
  // Section 2: "account, or a JWT without tenant"; "an API key: 403"; "a user who has an org otherwise: 409". Section 1: a
  // token whose tenant has no membership of this user is an account on this route.
  ...post(
    'orgs/create',
    {
      ...byRole({ owner: 409, admin: 409, developer: 409, viewer: 409 }),
      ...each(OUTSIDERS, 200),
      "a token of a tenant by another tenant's owner": 409,
    },
    () => ({ name: 'A new org' }),
  ),
  // The account's routes.
  ...post('orgs/list', { ...ANY_MEMBER, ...each(OUTSIDERS, 200) }, () => ({})),
  ...post('me/get', { ...ANY_MEMBER, ...each(OUTSIDERS, 200) }, () => ({})),
  ...post('orgs/accept-invitation', { ...ANY_MEMBER, ...each(OUTSIDERS, 200) }, async (things) => ({
    token: await things.invitationToken(),
  })),
  ...post('orgs/get', ANY_MEMBER, () => ({})),
  ...post('orgs/update', ADMINISTRATION, () => ({ name: 'Renamed' })),
  // The name is wrong on purpose, since the first owner would delete the org that the matrix uses: a permitted caller gets 400.
  ...post('orgs/delete', byRole({ owner: 400, admin: 403, developer: 403, viewer: 403 }), () => ({ name: 'Not it' })),
  ...post('orgs/list-members', ANY_MEMBER, () => ({})),
  ...post('orgs/list-invitations', ADMINISTRATION, () => ({})),
  ...post('orgs/invite-member', ADMINISTRATION, () => ({ email: 'new@example.org', role: 'viewer' })),
  ...post(
    'orgs/revoke-invitation',
    ADMINISTRATION,
    async (things) => ({ invitationId: await things.spareInvitationId() }),
    'invitationId',
  ),
  ...post(
    'orgs/update-member',
    ADMINISTRATION,
    async (things) => ({ userId: await things.spareUserId(), role: 'viewer' }),
    'userId',
  ),
  ...post('orgs/remove-member', ADMINISTRATION, async (things) => ({ userId: await things.spareUserId() }), 'userId'),

  ...post('tenants/list', ANY_MEMBER, () => ({})),
  ...post('tenants/create', ADMINISTRATION, () => ({ name: 'Staging' })),
  ...post('tenants/get', ANY_MEMBER, ({ tenantId }) => ({ tenantId }), 'tenantId'),
  ...post('tenants/update', ADMINISTRATION, ({ tenantId }) => ({ tenantId, name: 'Renamed' }), 'tenantId'),
  ...post('tenants/switch', ANY_MEMBER, ({ tenantId }) => ({ tenantId }), 'tenantId'),
  ...post(
    'tenants/delete',
    OWNERS_ALONE,
    async (things) => ({ tenantId: await things.spareTenantId(), name: 'Spare' }),
    'tenantId',
  ),

  ...post('api-keys/create', MANAGING_KEYS, () => ({ name: 'A new key' })),
  // "Only owner and admin set or change `oidc_config`", and a key without one needs the operator's permission (not given here).
  ...post('api-keys/create-publishable', ADMINISTRATION, ({ issuer }) => ({
    name: 'A new publishable key',
    oidcConfig: { issuer, audience: 'app' },
    unlimited: true,
  })),
  ...post('api-keys/list', ANY_MEMBER, () => ({})),
  ...post('api-keys/get', ANY_MEMBER, ({ keyId }) => ({ keyId }), 'keyId'),
  ...post('api-keys/update', MANAGING_KEYS, ({ keyId }) => ({ keyId, description: 'Changed' }), 'keyId'),
  ...post('api-keys/rotate', MANAGING_KEYS, ({ keyId }) => ({ keyId }), 'keyId'),
  ...post('api-keys/revoke', MANAGING_KEYS, ({ spareKeyId }) => ({ keyId: spareKeyId }), 'keyId'),

  ...post('humans/list', READING_FOR_THE_TENANT, () => ({})),
  ...post('humans/get', READING_FOR_THE_TENANT, ({ human }) => ({ human }), 'human'),
  ...post('humans/upsert', WRITING_FOR_THE_TENANT, () => ({ human: 'upserted@example.org' })),
  ...post('humans/delete', WRITING_FOR_THE_TENANT, async (things) => ({ human: await things.spareHuman() }), 'human'),
  ...post('usage/report', WRITING_FOR_THE_TENANT, () => ({
    type: 'conversational_seconds',
    value: 1.5,
    human: 'reported@example.org',
    idempotencyKey: randomUUID(),
  })),
  ...post('usage/query', READING_FOR_THE_TENANT, () => ({ groupBy: ['HUMAN', 'KEY'] })),
  ...post('usage/list-calls', READING_FOR_THE_TENANT, () => ({})),
  // The id belongs to no call: a permitted reader gets 404.
  ...post('usage/get-call', missingAtLast(READING_FOR_THE_TENANT), () => ({ callId: randomUUID() })),

  ...post('usage/list-tokens', READING_FOR_THE_TENANT, () => ({})),
  // The token does not exist: each caller who may revoke it gets 404.
  ...post('usage/revoke-token', missingAtLast(WRITING_FOR_THE_TENANT), () => ({ tokenId: `ut_${randomUUID()}` })),

  ...post('budgets/list', READING_FOR_THE_TENANT, () => ({})),
  ...post('budgets/set', WRITING_FOR_THE_TENANT, () => ({
    holder: { tenant: true },
    type: 'request_cnt',
    period: 'MONTH',
    limit: '1000000',
  })),
  ...post(
    'budgets/delete',
    WRITING_FOR_THE_TENANT,
    async (things) => ({ budgetId: await things.spareBudgetId() }),
    'budgetId',
  ),

  ...post('audit/list', READING_AUDIT, () => ({})),

  // A tenant may have a few endpoints only, and the matrix calls often, so the body is one that is refused.
  ...post('webhooks/create', refusedAtLast(MANAGING_WEBHOOKS), () => ({ url: 'not a URL', events: ['run.failed'] })),
  ...post('webhooks/list', READING_WEBHOOKS, () => ({})),
  ...post('webhooks/get', READING_WEBHOOKS, ({ endpointId }) => ({ endpointId }), 'endpointId'),
  ...post(
    'webhooks/update',
    MANAGING_WEBHOOKS,
    ({ endpointId }) => ({ endpointId, description: 'Changed' }),
    'endpointId',
  ),
  ...post(
    'webhooks/delete',
    MANAGING_WEBHOOKS,
    async (things) => ({ endpointId: await things.spareEndpointId() }),
    'endpointId',
  ),
  ...post('webhooks/rotate-secret', MANAGING_WEBHOOKS, ({ endpointId }) => ({ endpointId }), 'endpointId'),
  ...post('webhooks/list-deliveries', READING_WEBHOOKS, ({ endpointId }) => ({ endpointId }), 'endpointId'),
  ...post('webhooks/redeliver', MANAGING_WEBHOOKS, ({ deliveryId }) => ({ deliveryId }), 'deliveryId'),
  ...post('webhooks/test', MANAGING_WEBHOOKS, ({ endpointId }) => ({ endpointId }), 'endpointId'),

  ...post('llm/providers/create', refusedAtLast(MANAGING_WEBHOOKS), () => ({ name: 'one', kind: 'no such kind' })),
  ...post('llm/providers/list', READING_WEBHOOKS, () => ({})),
  ...post('llm/providers/get', READING_WEBHOOKS, ({ providerId }) => ({ providerId }), 'providerId'),
  ...post(
    'llm/providers/update',
    MANAGING_WEBHOOKS,
    ({ providerId }) => ({ providerId, models: ['a-model'] }),
    'providerId',
  ),
  ...post(
    'llm/providers/delete',
    MANAGING_WEBHOOKS,
    async (things) => ({ providerId: await things.spareProviderId() }),
    'providerId',
  ),
  // The answer says that the provider can't be reached.
  ...post('llm/providers/test', MANAGING_WEBHOOKS, ({ providerId }) => ({ providerId }), 'providerId'),

  // Section 2, `llm/models/…`: "`providers:*`, JWT".
  ...post('llm/models/list', READING_FOR_THE_TENANT, () => ({})),
  ...post('llm/models/update', WRITING_FOR_THE_TENANT, () => ({ model: 'gpt-4o-mini', contextTokens: 128_000 })),
  ...post('llm/routes/create', refusedAtLast(MANAGING_WEBHOOKS), () => ({ name: 'one', targets: [] })),
  ...post('llm/routes/list', READING_WEBHOOKS, () => ({})),
  ...post('llm/routes/get', READING_WEBHOOKS, ({ routeId }) => ({ routeId }), 'routeId'),
  ...post('llm/routes/update', MANAGING_WEBHOOKS, ({ routeId }) => ({ routeId, strategy: 'WEIGHTED' }), 'routeId'),
  ...post(
    'llm/routes/delete',
    MANAGING_WEBHOOKS,
    async (things) => ({ routeId: await things.spareRouteId() }),
    'routeId',
  ),

  // Section 5: "JWT, or sk with `gateways:*`". The number of a tenant's gateways is limited, so the body is one that is
  // refused.
  ...post('gateways/create', refusedAtLast(MANAGING_WEBHOOKS), () => ({ name: 'one', providers: [] })),
  ...post('gateways/list', READING_WEBHOOKS, () => ({})),
  ...post('gateways/get', READING_WEBHOOKS, ({ gatewayId }) => ({ gatewayId }), 'gatewayId'),
  ...post('gateways/update', MANAGING_WEBHOOKS, ({ gatewayId }) => ({ gatewayId, authenticated: true }), 'gatewayId'),
  ...post(
    'gateways/delete',
    MANAGING_WEBHOOKS,
    async (things) => ({ gatewayId: await things.spareGatewayId() }),
    'gatewayId',
  ),
  ...post('gateways/list-calls', READING_WEBHOOKS, ({ gatewayId }) => ({ gatewayId }), 'gatewayId'),
  ...post(
    'gateways/get-call',
    missingAtLast(READING_WEBHOOKS),
    ({ gatewayId }) => ({ gatewayId, callId: randomUUID() }),
    'gatewayId',
  ),
  ...tokensOfGateway('GET', READING_WEBHOOKS),
  ...tokensOfGateway('POST', MANAGING_WEBHOOKS, () => ({ name: randomUUID() })),
  ...tokensOfGateway(
    'PATCH',
    MANAGING_WEBHOOKS,
    () => ({ name: randomUUID() }),
    ({ gatewayTokenId }) => gatewayTokenId,
  ),
  ...tokensOfGateway('DELETE', MANAGING_WEBHOOKS, undefined, (things) => things.spareGatewayTokenId()),
  ...gateway('v1/chat/completions', () => ({ model: 'none', messages: [{ role: 'user', content: 'Hello' }] })),
  ...gateway('v1/embeddings', () => ({ model: 'none', input: 'Hello' })),
  ...gateway('v1/responses', () => ({ model: 'none', input: 'Hello' })),
  ...gateway(':provider/:model/chat/completions', () => ({ messages: [{ role: 'user', content: 'Hello' }] })),
  'GET /gateways/:gatewayId/v1/models': {
    requests: [{ method: 'GET', path: ({ gatewayId }) => `/gateways/${gatewayId}/v1/models` }],
    dialect: 'gateway',
    expected: CALLING_A_GATEWAY,
  },
  'GET /gateways/:gatewayId/v1/models/*': {
    requests: [{ method: 'GET', path: ({ gatewayId }) => `/gateways/${gatewayId}/v1/models/none` }],
    dialect: 'gateway',
    expected: missingAtLast(CALLING_A_GATEWAY),
  },

  ...post('llm/gateway/list-threads', READING_CONVERSATIONS, () => ({})),
  ...post('llm/gateway/create-thread', WRITING_CONVERSATIONS, () => ({ conversationKey: randomUUID() })),
  // The content is refused, since each cell would otherwise leave a run behind that goes on by itself.
  ...post('llm/gateway/send-message', refusedAtLast(WRITING_CONVERSATIONS), () => ({
    conversationKey: 'matrix',
    userMessage: { content: '' },
  })),
  ...Object.fromEntries(
    (
      [
        ['conversation-state', READING_CONVERSATIONS, {}],
        ['update-thread', WRITING_CONVERSATIONS, { name: 'Renamed' }],
        ['delete-thread', WRITING_CONVERSATIONS, {}],
      ] as const
    ).flatMap(([method, expected, more]) =>
      Object.entries(
        post(
          `llm/gateway/${method}`,
          missingAtLast(expected),
          ({ conversationKey }) => ({ conversationKey, ...more }),
          'conversationKey',
        ),
      ),
    ),
  ),
  ...Object.fromEntries(
    (
      [
        ['cancel-run', WRITING_CONVERSATIONS, {}],
        ['run-events', READING_CONVERSATIONS, {}],
        ['submit-tool-outputs', WRITING_CONVERSATIONS, { toolOutputs: [{ toolCallId: 'x', output: 'y' }] }],
      ] as const
    ).flatMap(([method, expected, more]) =>
      Object.entries(
        post(`llm/gateway/${method}`, missingAtLast(expected), ({ runId }) => ({ runId, ...more }), 'runId'),
      ),
    ),
  ),

  ...usage('POST', 'token', WRITING_USAGE, () => ({ human: 'bea' })),
  ...usage('PUT', 'token', WRITING_USAGE, () => ({ human: 'bea', limits: [] })),
  ...usage('GET', 'limits', READING_LIMITS),
  ...usage('POST', 'token/check', CHECKING_TOKENS, () => ({ human: 'bea' })),
  // Names another human: otherwise the first permitted caller would revoke the tokens of the matrix.
  ...usage('POST', 'token/revoke', WRITING_USAGE, () => ({ human: 'cem' })),
  ...usage('POST', 'token/update_ttl', WRITING_USAGE, () => ({ human: 'bea', ttl_seconds: 3600 })),

  'POST /v1/chat/completions': {
    requests: [
      {
        method: 'POST',
        path: '/v1/chat/completions',
        body: ({ model }) => ({ model, messages: [{ role: 'user', content: 'Hello' }] }),
      },
    ],
    dialect: 'openai',
    expected: CALLING,
  },
  'POST /v1/embeddings': {
    requests: [{ method: 'POST', path: '/v1/embeddings', body: ({ model }) => ({ model, input: 'Hello' }) }],
    dialect: 'openai',
    expected: CALLING,
  },
  'POST /v1/responses': {
    requests: [{ method: 'POST', path: '/v1/responses', body: ({ model }) => ({ model, input: 'Hello' }) }],
    dialect: 'openai',
    expected: CALLING,
  },
  ...openai('GET', '/v1/responses/:response', '/v1/responses/resp_of_nobody', missingAtLast(CHATTING)),
  ...openai('DELETE', '/v1/responses/:response', '/v1/responses/resp_of_nobody', missingAtLast(CHATTING)),
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

  ...openai('GET', '/v1/llm/list', '/v1/llm/list', CHATTING),
  ...openai('GET', '/v1/llm/:llm', '/v1/llm/gpt-4o-mini', CHATTING),
  ...openai('POST', '/v1/llm/context', '/v1/llm/context', CONVERSING, () => ({
    messages: [{ role: 'user', content: 'Hello' }],
  })),
  ...openai('GET', '/v1/llm/context/list', '/v1/llm/context/list', READING_CONVERSATIONS),
  ...openai('GET', '/v1/llm/context/:context', NO_CONTEXT, missingAtLast(READING_CONVERSATIONS)),
  ...openai('POST', '/v1/llm/context/:context/message', `${NO_CONTEXT}/message`, missingAtLast(CONVERSING), () => ({
    role: 'user',
    content: 'Hello',
  })),
  ...openai(
    'GET',
    '/v1/llm/context/:context/message/list',
    `${NO_CONTEXT}/message/list`,
    missingAtLast(READING_CONVERSATIONS),
  ),
  ...openai(
    'GET',
    '/v1/llm/context/:context/message/:message',
    `${NO_CONTEXT}/message/019a0000-0000-7000-8000-000000000001`,
    missingAtLast(READING_CONVERSATIONS),
  ),

  ...aisbreaker('POST', 'oauth/token', 'oauth', MINTING, () => ({ requestAuthAndQuotas: { serviceSecrets: [] } })),
  ...aisbreaker('POST', 'process', 'process', PROCESSING, () => ({
    service: { serviceId: 'chat:dummy' },
    request: { inputs: [{ text: { role: 'user', content: 'Hello' } }] },
  })),
  ...aisbreaker('HEAD', 'process', 'none', everybody(204)),
  ...aisbreaker('GET', 'ping', 'process', PUBLIC),
  ...aisbreaker('GET', 'version', 'process', PUBLIC),

  'GET /health/live': { requests: [{ method: 'GET', path: '/health/live' }], dialect: 'platform', expected: PUBLIC },
  'GET /health/ready': { requests: [{ method: 'GET', path: '/health/ready' }], dialect: 'platform', expected: PUBLIC },
  'GET /.well-known/jwks.json': {
    requests: [{ method: 'GET', path: '/.well-known/jwks.json' }],
    dialect: 'platform',
    expected: PUBLIC,
  },

  // Routes that the documentation's package registers. The router serves them without our guards, so the package must serve
  // nothing else.
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
  // The package answers its licence file with 404.
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
  'GET /docs/guide': { requests: [{ method: 'GET', path: '/docs/guide' }], dialect: 'none', expected: everybody(302) },
  // A page that does not exist: the answer is the same where the guides were not built.
  'GET /docs/guide/*': {
    requests: [{ method: 'GET', path: '/docs/guide/nothing.html' }],
    dialect: 'none',
    expected: everybody(404),
  },
  // The web application, which `npm test` builds; every caller gets the same answer.
  'GET /dashboard': { requests: [{ method: 'GET', path: '/dashboard' }], dialect: 'none', expected: everybody(200) },
  'GET /dashboard/*': {
    requests: [{ method: 'GET', path: '/dashboard/assets/nothing.js' }],
    dialect: 'none',
    expected: everybody(404),
  },
  'GET /dashboard/config.json': {
    requests: [{ method: 'GET', path: '/dashboard/config.json' }],
    dialect: 'platform',
    expected: PUBLIC,
  },
  'GET /accept-invitation': {
    requests: [{ method: 'GET', path: '/accept-invitation' }],
    dialect: 'none',
    expected: everybody(302),
  },
  'GET /openapi.json': { requests: [{ method: 'GET', path: '/openapi.json' }], dialect: 'none', expected: PUBLIC },
  'GET /openapi.yaml': { requests: [{ method: 'GET', path: '/openapi.yaml' }], dialect: 'none', expected: PUBLIC },

  'ALL /': { requests: [{ method: 'GET', path: '/' }], dialect: 'platform', expected: NOTHING_THERE },
  'ALL /*': {
    requests: [
      { method: 'GET', path: '/nothing' },
      { method: 'GET', path: '/api/v1/api-keys/list', isOtherMethod: true },
      { method: 'POST', path: '/api/v1/api-keys/nothing', body: () => ({}) },
      { method: 'POST', path: '/health/live', body: () => ({}), isOtherMethod: true },
      { method: 'GET', path: '/api/v1/%61pi-keys' },
      { method: 'GET', path: '/api/v1/process/nothing', dialect: 'process' },
      { method: 'GET', path: '/api/v1alpha1/nothing', dialect: 'process' },
      { method: 'GET', path: '/api/v1/oauth/nothing', dialect: 'oauth' },
      { method: 'GET', path: '/v1', dialect: 'openai' },
      { method: 'GET', path: '/v1/nothing', dialect: 'openai' },
      { method: 'GET', path: '/v1/chat/completions', dialect: 'openai', isOtherMethod: true },
      { method: 'DELETE', path: '/v1/models/gpt-4o-mini', dialect: 'openai', isOtherMethod: true },
      { method: 'POST', path: '/v1/usage/nothing/at/all', body: () => ({}), dialect: 'openai' },
    ],
    dialect: 'platform',
    expected: NOTHING_THERE,
  },
};
