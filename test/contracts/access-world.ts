/** Two tenants, their people and keys, and every credential of access.expected.ts as headers. All of them are really issued. */
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import { SCOPES } from '../../src/identity/index.js';
import { mint } from '../http/sealed/sealed-client.js';
import { UPSTREAM_MODEL } from '../support/openai-upstream.js';
import type { UserIssuer } from '../support/oidc-issuer.js';
import { withOtherEnd } from '../support/other-end.js';
import type { Org, ServiceClient } from '../support/service.js';
import type { Credential } from './access.credentials.js';
import type { Things } from './access.expected.js';

const HUMAN = { 'x-on-behalf-of': 'human-1' };
const ORIGIN = 'https://app.example';

export interface World {
  readonly a: Org;
  readonly b: Org;
  /** The resources that a credential's request bodies name. */
  thingsOf(credential: Credential): Things;
  /** A new identity for each call where a route would remember the last one. */
  headersOf(credential: Credential): OutgoingHttpHeaders | Promise<OutgoingHttpHeaders>;
}

/** The credentials that belong to the other tenant. */
const OF_B: ReadonlySet<Credential> = new Set<Credential>([
  "another tenant's key",
  "another tenant's end user",
  "another tenant's usage token",
  "another tenant's sealed access token",
  "another tenant's gateway token",
]);

/** The address in every dashboard token of the matrix (TestIssuer's). */
const EVERYBODYS_ADDRESS = 'user-1@example.com';

/**
 * @param b an org with other people than `a`
 * @param users where the end users of either tenant sign in, each with an audience of its own
 */
export async function makeWorld(client: ServiceClient, a: Org, b: Org, users: UserIssuer): Promise<World> {
  await client.addMember(a, 'admin-of-a', 'admin');
  await client.addMember(a, 'developer-of-a', 'developer');
  await client.addMember(a, 'viewer-of-a', 'viewer');
  await client.addMember(a, 'both-owner', 'owner');
  await client.addMember(b, 'both-owner', 'owner');
  const keyOf = async (org: Org, name: string, scopes: readonly string[]): Promise<string> =>
    (await client.createKey(org, { name, scopes: scopes as typeof SCOPES })).key;

  const every = await keyOf(a, 'every scope', SCOPES);
  const chatOnly = await keyOf(a, 'chat alone', ['chat:write']);
  const other = await keyOf(a, 'other', ['chat:write']);
  const allButChat = await keyOf(
    a,
    'all but chat',
    SCOPES.filter((scope) => scope !== 'chat:write'),
  );
  const unscoped = await keyOf(a, 'no scope', []);
  const othersKey = await keyOf(b, 'of another tenant', SCOPES);
  const impersonator = await keyOf(a, 'impersonates', ['users:impersonate']);
  const [rotated, old] = await rotatedKey(client, a);
  const app = await publishableKey(client, a, users, 'app-of-a', { origins: [ORIGIN] });
  const appWithoutScopes = await publishableKey(client, a, users, 'app-of-a', { permissions: [] });
  const othersApp = await publishableKey(client, b, users, 'app-of-b');
  const revokedApp = await publishableKey(client, a, users, 'app-of-a');
  await client.asUser({ user: a.user, tenant: a.tenantId }, 'api-keys/revoke', { keyId: revokedApp.keyId });
  const expiredApp = await publishableKey(client, a, users, 'app-of-a');
  await expire(client, expiredApp.keyId);
  const unknownApp = await publishableKey(client, a, users, 'app-of-a');
  await client.sql('DELETE FROM api_keys WHERE id = $1', [unknownApp.keyId]);
  const unknown = await unknownKey(client, a);
  const revoked = await revokedKey(client, a);
  const expired = await expiredKey(client, a);

  const sealed = await sealedTokens(client, a, every, othersKey);
  const tokens = await usageTokens(client, a, b);
  const things = {
    a: await thingsOf(client, a, users),
    b: await thingsOf(client, b, users),
  };

  const gatewayTokens = {
    a: await gatewayTokenOf(client, a, things.a.gatewayId),
    b: await gatewayTokenOf(client, b, things.b.gatewayId),
  };

  const token = (user: string, tenant?: string, role?: string, claims: Record<string, unknown> = {}): string =>
    client.dashboardToken({ user, tenant, claims, ...(role === undefined ? {} : { role }) });
  const ownerToken = (claims: Record<string, unknown> = {}): string => token(a.user, a.tenantId, 'owner', claims);
  const userToken = (claims: Record<string, unknown> = {}): string =>
    users.token({ sub: 'bea', aud: 'app-of-a', ...claims });
  /** An end user of a: the app's key, and the user's token. */
  const endUser = (key = app.key, claims: Record<string, unknown> = {}): OutgoingHttpHeaders => ({
    ...apiKey(key),
    ...bearer(userToken(claims)),
  });
  const besideApp = (jwt: string): OutgoingHttpHeaders => ({ ...apiKey(app.key), ...bearer(jwt) });
  const ownerClaims = { sub: a.user, user_id: a.user, tenant_id: a.tenantId, role: 'owner' };

  const table: Readonly<Record<Credential, () => OutgoingHttpHeaders | Promise<OutgoingHttpHeaders>>> = {
    nothing: () => ({}),
    'a key with every scope': () => apiKey(every),
    'a key with chat:write alone': () => apiKey(chatOnly),
    'a key with every scope but chat:write': () => apiKey(allButChat),
    'a key without scopes': () => apiKey(unscoped),
    'a key as bearer': () => bearer(every),
    'a key in both headers': () => ({ ...apiKey(every), ...bearer(every) }),
    'a rotated key': () => apiKey(rotated),
    "another tenant's key": () => apiKey(othersKey),
    'a key with a human to charge': () => ({ ...apiKey(chatOnly), 'x-human-id': 'bea' }),
    'a key with every scope on behalf of a human': () => ({ ...apiKey(every), ...HUMAN }),
    'a key with every scope on behalf of the human that it charges': () => ({
      ...apiKey(every),
      ...HUMAN,
      'x-human-id': HUMAN['x-on-behalf-of'],
    }),
    'a key with users:impersonate alone on behalf of a human': () => ({ ...apiKey(impersonator), ...HUMAN }),
    'an end user': () => endUser(),
    'an end user from an allowed origin': () => ({ ...endUser(), origin: ORIGIN }),
    'an end user who says whom to charge': () => ({ ...endUser(), 'x-human-id': 'bea' }),
    'an end user by a key without scopes': () => endUser(appWithoutScopes.key),
    "another tenant's end user": () => endUser(othersApp.key, { aud: 'app-of-b' }),
    'a usage token': () => bearer(tokens.good),
    'a usage token that says whom to charge': () => ({ ...bearer(tokens.good), 'x-human-id': 'bea' }),
    'a usage token of a rotated key': () => bearer(tokens.rotated),
    'a usage token of a key with chat:write alone': () => bearer(tokens.chatOnly),
    'a usage token of a key that was narrowed to usage:read': () => bearer(tokens.narrowed),
    'a usage token of a key without scopes': () => bearer(tokens.unscoped),
    "another tenant's usage token": () => bearer(tokens.others),
    'a sealed access token': () => bearer(sealed.good),
    'a sealed access token made without a key': () => bearer(sealed.keyless),
    "another tenant's sealed access token": () => bearer(sealed.others),
    'a gateway token': () => bearer(gatewayTokens.a),
    "another tenant's gateway token": () => bearer(gatewayTokens.b),
    'an account': () => bearer(token(`nobody-${randomUUID()}`)),
    'a token of a tenant that does not exist': () => bearer(token(`nobody-${randomUUID()}`, 'no-such-tenant')),
    "a token of a tenant by another tenant's owner": () => bearer(token(b.user, a.tenantId, 'owner')),
    'a token of a tenant by a removed member': async () => {
      const user = `removed-${randomUUID()}`;
      await client.addMember(a, user, 'owner');
      await client.sql('DELETE FROM memberships WHERE user_id = $1', [user]);
      return bearer(token(user, a.tenantId, 'owner'));
    },
    'an owner': () => bearer(ownerToken()),
    "an owner of both tenants, with the one's token": () => bearer(token('both-owner', a.tenantId, 'owner')),
    'an admin': () => bearer(token('admin-of-a', a.tenantId, 'admin')),
    'a developer': () => bearer(token('developer-of-a', a.tenantId, 'developer')),
    'a viewer': () => bearer(token('viewer-of-a', a.tenantId, 'viewer')),
    'a viewer whose token says owner': () => bearer(token('viewer-of-a', a.tenantId, 'owner')),

    'a key that nobody has': () => apiKey(unknown),
    'a key with a bad checksum': () => apiKey(withOtherEnd(every)),
    'a key cut short': () => apiKey(every.slice(0, -7)),
    'a revoked key': () => apiKey(revoked),
    'an expired key': () => apiKey(expired),
    'the old secret of a rotated key': () => apiKey(old),
    'a sealed access token that nobody sealed': () => bearer(`aisbreaker_${ownerToken()}`),
    'a sealed access token of a revoked key': () => bearer(sealed.ofRevokedKey),
    'a sealed access token of another host': () => bearer(sealed.elsewhere),
    'garbage as bearer': () => bearer('garbage'),
    'an empty bearer': () => ({ authorization: 'Bearer ' }),
    'basic authorization': () => ({ authorization: `Basic ${Buffer.from(`${a.user}:secret`).toString('base64')}` }),
    'an expired token': () => bearer(ownerToken({ exp: Math.floor(Date.now() / 1000) - 1 })),
    'an unsigned token': () => bearer(client.issuer.sign(ownerClaims, { alg: 'none' })),
    'a token signed by a stranger': () => bearer(client.issuer.sign(ownerClaims, { key: STRANGERS_KEY })),
    'a token of another audience': () => bearer(ownerToken({ aud: 'another-project' })),
    'a token of another issuer': () => bearer(ownerToken({ iss: 'https://securetoken.google.com/another-project' })),
    'a token of the development issuer': () =>
      bearer(ownerToken({ iss: 'urn:gatehouse:development-only', aud: 'gatehouse-development' })),

    'an expired usage token': () => bearer(tokens.expired),
    'a revoked usage token': () => bearer(tokens.revoked),
    'a usage token of a revoked key': () => bearer(tokens.ofRevokedKey),
    'a usage token of an expired key': () => bearer(tokens.ofExpiredKey),
    'a usage token of an erased human': () => bearer(tokens.ofErased),
    'a usage token that was tampered with': () => bearer(withOtherId(tokens.good)),
    'a usage token signed by a stranger': () => bearer(signedByAStranger(tokens.good)),
    'an unsigned usage token': () => bearer(unsigned(tokens.good)),
    'a dashboard token that says it is a usage token': () => bearer(ownerToken({ iss: 'urn:gatehouse:usage-tokens' })),
    'a publishable key beside a usage token': () => besideApp(tokens.good),
    'a key beside a usage token': () => ({ ...apiKey(every), ...bearer(tokens.good) }),
    'a usage token on behalf of a human': () => ({ ...bearer(tokens.good), ...HUMAN }),
    'a usage token with another human to charge': () => ({ ...bearer(tokens.good), 'x-human-id': 'cem' }),

    'a publishable key alone': () => apiKey(app.key),
    'a publishable key as bearer': () => bearer(app.key),
    "a user's token alone": () => bearer(userToken()),
    'a publishable key that nobody has beside a good user token': () => endUser(unknownApp.key),
    'a revoked publishable key beside a good user token': () => endUser(revokedApp.key),
    'an expired publishable key beside a good user token': () => endUser(expiredApp.key),
    'a publishable key beside a secret one': () => besideApp(every),
    'a publishable key beside a dashboard token': () => besideApp(ownerToken()),
    'a publishable key beside an expired user token': () =>
      endUser(app.key, { exp: Math.floor(Date.now() / 1000) - 1 }),
    'a publishable key beside an unsigned user token': () => besideApp(unsigned(userToken())),
    'a publishable key beside a user token signed by a stranger': () => besideApp(signedByAStranger(userToken())),
    'a publishable key beside a user token of another audience': () => endUser(app.key, { aud: 'app-of-b' }),
    'a publishable key beside a user token without a subject': () => endUser(app.key, { sub: undefined }),
    "a publishable key beside a user token of another tenant's issuer": () =>
      endUser(app.key, { iss: 'https://another.example' }),
    'a publishable key beside a user token that names another tenant': () =>
      endUser(app.key, { tenant_id: b.tenantId }),
    'an end user from another origin': () => ({ ...endUser(), origin: 'https://another.example' }),

    'a key beside a token': () => ({ ...apiKey(every), ...bearer(ownerToken()) }),
    'a revoked key beside a good token': () => ({ ...apiKey(revoked), ...bearer(ownerToken()) }),
    'a key beside another key': () => ({ ...apiKey(every), ...bearer(other) }),
    'a key beside a publishable one': () => ({ ...apiKey(every), ...bearer(app.key) }),
    'a token twice': () => ({ Authorization: [`Bearer ${ownerToken()}`, `Bearer ${ownerToken()}`] }),

    'a key without users:impersonate on behalf of a human': () => ({ ...apiKey(chatOnly), ...HUMAN }),
    'a token on behalf of a human': () => ({ ...bearer(ownerToken()), ...HUMAN }),
    'an end user on behalf of a human': () => ({ ...endUser(), ...HUMAN }),
    'a key on behalf of a blank': () => ({ ...apiKey(every), 'x-on-behalf-of': '' }),
    'a key with a blank to charge': () => ({ ...apiKey(every), 'x-human-id': ' ' }),
    'a key with two different humans': () => ({ ...apiKey(every), ...HUMAN, 'x-human-id': 'human-2' }),
    'a token with a human to charge': () => ({ ...bearer(ownerToken()), 'x-human-id': 'human-1' }),
    'an end user with another human to charge': () => ({ ...endUser(), 'x-human-id': 'cem' }),
  };

  return {
    a,
    b,
    thingsOf: (credential) => (OF_B.has(credential) ? things.b : things.a),
    headersOf: (credential) => table[credential](),
  };
}

export const bearer = (token: string): OutgoingHttpHeaders => ({ authorization: `Bearer ${token}` });
export const apiKey = (key: string): OutgoingHttpHeaders => ({ 'x-api-key': key });

const STRANGERS_KEY = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

/** The header and claims of a good token, under `alg: none` and without a signature. */
function unsigned(token: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
  return `${header}.${token.split('.')[1] ?? ''}.`;
}

/** A good token's header and claims, signed with a key that its issuer never had. */
function signedByAStranger(token: string): string {
  const content = token.slice(0, token.lastIndexOf('.'));
  return `${content}.${sign('sha256', Buffer.from(content), STRANGERS_KEY).toString('base64url')}`;
}

interface PublishableWishes {
  readonly origins?: readonly string[];
  readonly permissions?: readonly string[];
}

async function publishableKey(
  client: ServiceClient,
  { user, tenantId }: Org,
  users: UserIssuer,
  audience: string,
  { origins = [], permissions }: PublishableWishes = {},
): Promise<{ keyId: string; key: string }> {
  const { result } = await client.asUser<{ result: { keyId: string; key: string } }>(
    { user, tenant: tenantId },
    'api-keys/create-publishable',
    {
      name: 'An app',
      oidcConfig: { ...users.oidcConfig, audience },
      allowedOrigins: origins,
      unlimited: true,
      ...(permissions === undefined ? {} : { permissions }),
    },
  );
  return result;
}

/** A good token's signature with the id of another token. */
function withOtherId(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { jti: string };
  const changed = { ...claims, jti: claims.jti.split('').reverse().join('') };
  return `${header}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${signature}`;
}

/** Usage tokens of the human whom the matrix charges, in every state. */
async function usageTokens(client: ServiceClient, a: Org, b: Org) {
  const WRITING = ['usage:write'] as const;
  const madeBy = async (key: string, human = 'bea'): Promise<string> => {
    const { status, text, json } = await client.call('POST', '/v1/usage/token', {
      headers: apiKey(key),
      body: { human, ttl_seconds: 86_400 },
    });
    if (status !== 200) throw new Error(`No usage token: ${text}`);
    return json<{ token: string }>().token;
  };
  /** A usage token whose key is changed afterwards. */
  const ofChangedKey = async (scopes: readonly string[], route: string, change: object): Promise<string> => {
    const { keyId, key } = await client.createKey(a, { scopes: scopes as typeof SCOPES });
    const token = await madeBy(key);
    await client.asUser({ user: a.user, tenant: a.tenantId }, `api-keys/${route}`, { keyId, ...change });
    return token;
  };
  const key = (await client.createKey(a, { scopes: SCOPES })).key;
  const expired = await madeBy(key, 'expired');
  await client.sql(
    "UPDATE usage_tokens SET expires_at = now() - interval '1 second' WHERE human_id = (SELECT id FROM humans WHERE human = 'expired')",
  );
  const revoked = await madeBy(key, 'revoked');
  await client.call('POST', '/v1/usage/token/revoke', { headers: apiKey(key), body: { human: 'revoked' } });
  const ofErased = await madeBy(key, 'erased');
  await client.sql("DELETE FROM humans WHERE human = 'erased'");
  const brief = await client.createKey(a);
  const ofExpiredKey = await madeBy(brief.key);
  await expire(client, brief.keyId);
  return {
    good: await madeBy(key),
    others: await madeBy((await client.createKey(b, { scopes: SCOPES })).key),
    rotated: await ofChangedKey(SCOPES, 'rotate', {}),
    chatOnly: await ofChangedKey(SCOPES, 'update', { permissions: ['chat:write'] }),
    narrowed: await ofChangedKey(SCOPES, 'update', { permissions: ['usage:read'] }),
    unscoped: await ofChangedKey(WRITING, 'update', { permissions: [] }),
    ofRevokedKey: await ofChangedKey(SCOPES, 'revoke', {}),
    ...{ expired, revoked, ofErased, ofExpiredKey },
  };
}

/** Sealed tokens, each with a secret for the models that the matrix calls. */
async function sealedTokens(client: ServiceClient, org: Org, key: string, othersKey: string) {
  const made = await client.createKey(org);
  const good = await mint(client, { key });
  const [keyless, others, ofRevokedKey] = [
    await mint(client),
    await mint(client, { key: othersKey }),
    await mint(client, { key: made.key }),
  ];
  const elsewhere = await mint(client, { host: 'localhost' });
  await client.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { keyId: made.keyId });
  return {
    good: good.token,
    keyless: keyless.token,
    others: others.token,
    ofRevokedKey: ofRevokedKey.token,
    elsewhere: elsewhere.token,
  };
}

/** The new secret and the old one, which has no grace. */
async function rotatedKey(client: ServiceClient, org: Org): Promise<[string, string]> {
  const { keyId, key } = await client.createKey(org, { scopes: SCOPES });
  const { result } = await client.asUser<{ result: { key: string } }>(
    { user: org.user, tenant: org.tenantId },
    'api-keys/rotate',
    { keyId },
  );
  return [result.key, key];
}

async function thingsOf(client: ServiceClient, org: Org, { oidcConfig }: UserIssuer): Promise<Things> {
  const kept = await client.createKey(org, { name: 'kept' });
  const spare = await client.createKey(org, { name: 'spare' });
  const endpointId = await endpointOf(client, org);
  const deliveryId = await deliveryTo(client, org, endpointId);
  const providerId = await providerOf(client, org);
  const routeId = await routeOf(client, org, providerId);
  const gatewayId = await gatewayOf(client, org);
  return {
    gatewayId,
    spareGatewayId: () => gatewayOf(client, org),
    gatewayTokenId: await gatewayTokenIdOf(client, org, gatewayId),
    spareGatewayTokenId: () => gatewayTokenIdOf(client, org, gatewayId),
    providerId,
    routeId,
    spareRouteId: () => routeOf(client, org, providerId),
    spareProviderId: () => providerOf(client, org),
    endpointId,
    deliveryId,
    conversationKey: `nobody's in ${org.orgId}`,
    runId: randomUUID(),
    spareEndpointId: () => endpointOf(client, org),
    keyId: kept.keyId,
    spareKeyId: spare.keyId,
    tenantId: org.tenantId,
    model: UPSTREAM_MODEL,
    issuer: oidcConfig.issuer,
    human: await humanOf(client, org, `kept-in-${org.orgId}`),
    spareHuman: () => humanOf(client, org, `spare-${randomUUID()}`),
    spareBudgetId: async () => {
      const { budget } = await client.asUser<{ budget: { budgetId: string } }>(
        { user: org.user, tenant: org.tenantId },
        'budgets/set',
        { holder: { human: `spare-${randomUUID()}` }, type: 'request_cnt', period: 'MONTH', limit: 1 },
      );
      return budget.budgetId;
    },
    spareTenantId: async () => {
      const id = `spare-${randomUUID()}`;
      await client.sql("INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, 'Spare')", [id, org.orgId]);
      return id;
    },
    spareUserId: async () => {
      const user = `spare-${randomUUID()}`;
      await client.addMember(org, user, 'viewer');
      return user;
    },
    spareInvitationId: async () => {
      const id = `inv_${randomUUID()}`;
      await client.sql(
        `INSERT INTO invitations (id, org_id, email, role, token_hash, invited_by, expires_at)
         VALUES ($1, $2, 'spare@example.org', 'viewer', sha256(convert_to($1, 'UTF8')), $3, now() + interval '1 day')`,
        [id, org.orgId, org.user],
      );
      return id;
    },
    invitationToken: async () => {
      const host = await client.seedOrg();
      const invited = await client.asUser<{ token: string }>(
        { user: host.user, tenant: host.tenantId },
        'orgs/invite-member',
        { email: EVERYBODYS_ADDRESS, role: 'viewer' },
      );
      return invited.token;
    },
  };
}

/** An endpoint where no server listens, with a malformed secret, so that nothing can be sent to it. */
export async function endpointOf(client: ServiceClient, { tenantId }: Org): Promise<string> {
  const id = `webhook_${randomUUID()}`;
  await client.sql(
    "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ($1, $2, 'https://hooks.invalid/', 'somebody')",
    [id, tenantId],
  );
  await client.sql(
    `INSERT INTO webhook_secrets (id, tenant_id, endpoint_id, envelope, key_version)
     VALUES (gen_random_uuid(), $1, $2, '\\x00', 1)`,
    [tenantId, id],
  );
  return id;
}

/** A model provider at a blocked address, without credentials. */
export async function providerOf(client: ServiceClient, { tenantId }: Org): Promise<string> {
  const id = `provider_${randomUUID()}`;
  await client.sql(
    `INSERT INTO llm_providers (id, tenant_id, name, kind, base_url, models, enabled, created_by)
     VALUES ($1, $2, $1, 'openai_compatible', 'https://10.0.0.1/v1', '{a-model}', false, 'somebody')`,
    [id, tenantId],
  );
  return id;
}

/** A route to one of the tenant's providers. */
export async function routeOf(client: ServiceClient, { tenantId }: Org, providerId: string): Promise<string> {
  const id = `route_${randomUUID()}`;
  await client.sql(
    `INSERT INTO llm_routes (id, tenant_id, name, strategy, attempts, retry_on, created_by)
     VALUES ($1, $2, $1, 'FALLBACK', 1, '{}', 'somebody')`,
    [id, tenantId],
  );
  await client.sql(
    `INSERT INTO llm_route_targets (tenant_id, route_id, place, provider_id, model, weight)
     VALUES ($2, $1, 0, $3, 'a-model', 1)`,
    [id, tenantId, providerId],
  );
  return id;
}

/** A gateway with one provider that serves one model, whose name no call uses. */
export async function gatewayOf(client: ServiceClient, { tenantId }: Org): Promise<string> {
  const id = `gateway_${randomUUID()}`;
  await client.sql(
    "INSERT INTO gateways (id, tenant_id, name, cache_max_bytes, created_by) VALUES ($1, $2, $1, 65536, 'somebody')",
    [id, tenantId],
  );
  await client.sql(
    `INSERT INTO llm_providers (id, tenant_id, gateway_id, name, kind, base_url, models, created_by)
     VALUES ($1, $2, $3, 'one', 'openai_compatible', 'https://10.0.0.1/v1', '{a-model}', 'somebody')`,
    [`provider_${randomUUID()}`, tenantId, id],
  );
  return id;
}

/** The id of an unknown token. */
export async function gatewayTokenIdOf(client: ServiceClient, { tenantId }: Org, gatewayId: string): Promise<string> {
  const id = `gateway_token_${randomUUID()}`;
  await client.sql(
    `INSERT INTO gateway_tokens (id, tenant_id, gateway_id, name, hash, pepper_version, created_by)
     VALUES ($1, $2, $3, $1, sha256(convert_to($1, 'UTF8')), 1, 'somebody')`,
    [id, tenantId, gatewayId],
  );
  return id;
}

async function gatewayTokenOf(client: ServiceClient, { user, tenantId }: Org, gatewayId: string): Promise<string> {
  const authorization = `Bearer ${client.dashboardToken({ user, tenant: tenantId })}`;
  const path = `/api/v1/gateways/${gatewayId}/tokens`;
  const answer = await client.call('POST', path, { headers: { authorization }, body: { name: randomUUID() } });
  return answer.json<{ token: string }>().token;
}

/** A delivery that has ended, of one of the tenant's events. */
export async function deliveryTo(client: ServiceClient, { tenantId }: Org, endpointId: string): Promise<string> {
  const id = randomUUID();
  await client.sql(
    `WITH event AS (
       INSERT INTO webhook_events (id, tenant_id, type, payload) VALUES ($1, $2, 'webhook.test', '{}') RETURNING id)
     INSERT INTO webhook_deliveries (id, tenant_id, endpoint_id, event_id, status, next_attempt_at, ended_at)
     SELECT id, $2, $3, id, 'DELIVERED', NULL, now() FROM event`,
    [id, tenantId, endpointId],
  );
  return id;
}

async function humanOf(client: ServiceClient, { tenantId }: Org, human: string): Promise<string> {
  await client.sql("INSERT INTO humans (tenant_id, human, id) VALUES ($1, $2, 'hum_' || gen_random_uuid())", [
    tenantId,
    human,
  ]);
  return human;
}

/** A key of the right form and checksum that was issued once and no longer exists. */
async function unknownKey(client: ServiceClient, org: Org): Promise<string> {
  const { keyId, key } = await client.createKey(org);
  await client.sql('DELETE FROM api_keys WHERE id = $1', [keyId]);
  return key;
}

async function revokedKey(client: ServiceClient, org: Org): Promise<string> {
  const { keyId, key } = await client.createKey(org);
  await client.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { keyId });
  return key;
}

async function expiredKey(client: ServiceClient, org: Org): Promise<string> {
  const { keyId, key } = await client.createKey(org);
  await expire(client, keyId);
  return key;
}

/** Set in the database, since no route creates an expired key. */
async function expire(client: ServiceClient, keyId: string): Promise<void> {
  await client.sql("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1", [keyId]);
}
