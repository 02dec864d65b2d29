/** Two tenants, their people and keys, and every credential of access.expected.ts as headers. All of it is minted. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import { SCOPES } from '../../src/identity/index.js';
import { UPSTREAM_MODEL } from '../support/openai-upstream.js';
import type { Org, ServiceClient } from '../support/service.js';
import type { Credential, Things } from './access.expected.js';

const HUMAN = { 'x-on-behalf-of': 'human-1' };

export interface World {
  readonly a: Org;
  readonly b: Org;
  /** What the bodies of a credential's requests speak of. */
  thingsOf(credential: Credential): Things;
  /** A new identity for each call where a route would remember the last. */
  headersOf(credential: Credential): OutgoingHttpHeaders | Promise<OutgoingHttpHeaders>;
}

/** @param b another org than `a`, of other people */
export async function makeWorld(client: ServiceClient, a: Org, b: Org): Promise<World> {
  await client.addMember(a, 'admin-of-a', 'admin');
  await client.addMember(a, 'developer-of-a', 'developer');
  await client.addMember(a, 'viewer-of-a', 'viewer');
  await client.addMember(a, 'owner-of-both', 'owner');
  await client.addMember(b, 'owner-of-both', 'owner');
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
  const unknown = await unknownKey(client, a);
  const revoked = await revokedKey(client, a);
  const expired = await expiredKey(client, a);

  const things = {
    a: await thingsOf(client, a),
    b: await thingsOf(client, b),
  };

  const token = (user: string, tenant?: string, role?: string, claims: Record<string, unknown> = {}): string =>
    client.dashboardToken({ user, tenant, claims, ...(role === undefined ? {} : { role }) });
  const ownerToken = (claims: Record<string, unknown> = {}): string => token(a.user, a.tenantId, 'owner', claims);
  const ownerClaims = { sub: a.user, user_id: a.user, tenant_id: a.tenantId, role: 'owner' };

  const table: Readonly<Record<Credential, () => OutgoingHttpHeaders | Promise<OutgoingHttpHeaders>>> = {
    nothing: () => ({}),
    'a key with every scope': () => apiKey(every),
    'a key with chat:write alone': () => apiKey(chatOnly),
    'a key with every scope but chat:write': () => apiKey(allButChat),
    'a key without scopes': () => apiKey(unscoped),
    'a key as bearer': () => bearer(every),
    'a key in both headers': () => ({ ...apiKey(every), ...bearer(every) }),
    "another tenant's key": () => apiKey(othersKey),
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
    "an owner of both tenants, with the one's token": () => bearer(token('owner-of-both', a.tenantId, 'owner')),
    'an admin': () => bearer(token('admin-of-a', a.tenantId, 'admin')),
    'a developer': () => bearer(token('developer-of-a', a.tenantId, 'developer')),
    'a viewer': () => bearer(token('viewer-of-a', a.tenantId, 'viewer')),
    'a viewer whose token says owner': () => bearer(token('viewer-of-a', a.tenantId, 'owner')),

    'a key that nobody has': () => apiKey(unknown),
    'a key with a bad checksum': () => apiKey(withOtherEnd(every)),
    'a key cut short': () => apiKey(every.slice(0, -7)),
    'a revoked key': () => apiKey(revoked),
    'an expired key': () => apiKey(expired),
    'a publishable key alone': () => apiKey(unknown.replace('sk_', 'pk_')),
    'a publishable key beside a good token': () => ({
      ...apiKey(unknown.replace('sk_', 'pk_')),
      ...bearer(ownerToken()),
    }),
    'a sealed access token that nobody sealed': () => bearer(`aisbreaker_${ownerToken()}`),
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

    'a key beside a token': () => ({ ...apiKey(every), ...bearer(ownerToken()) }),
    'a revoked key beside a good token': () => ({ ...apiKey(revoked), ...bearer(ownerToken()) }),
    'a key beside another key': () => ({ ...apiKey(every), ...bearer(other) }),
    'a token twice': () => ({ Authorization: [`Bearer ${ownerToken()}`, `Bearer ${ownerToken()}`] }),

    'a key without users:impersonate on behalf of a human': () => ({ ...apiKey(chatOnly), ...HUMAN }),
    'a token on behalf of a human': () => ({ ...bearer(ownerToken()), ...HUMAN }),
    'a key with users:impersonate on behalf of a human': () => ({ ...apiKey(every), ...HUMAN }),
    'a key on behalf of a blank': () => ({ ...apiKey(every), 'x-on-behalf-of': '' }),
    'a key with a human to charge': () => ({ ...apiKey(chatOnly), 'x-human-id': 'human-1' }),
    'a key with two different humans': () => ({ ...apiKey(every), ...HUMAN, 'x-human-id': 'human-2' }),
    'a token with a human to charge': () => ({ ...bearer(ownerToken()), 'x-human-id': 'human-1' }),
  };

  return {
    a,
    b,
    thingsOf: (credential) => (credential === "another tenant's key" ? things.b : things.a),
    headersOf: (credential) => table[credential](),
  };
}

export const bearer = (token: string): OutgoingHttpHeaders => ({ authorization: `Bearer ${token}` });
export const apiKey = (key: string): OutgoingHttpHeaders => ({ 'x-api-key': key });

const STRANGERS_KEY = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

async function thingsOf(client: ServiceClient, org: Org): Promise<Things> {
  const kept = await client.createKey(org, { name: 'kept' });
  const spare = await client.createKey(org, { name: 'spare' });
  return { keyId: kept.keyId, spareKeyId: spare.keyId, model: UPSTREAM_MODEL };
}

/** Of the right form, its checksum too: a key that was issued once and is gone. */
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

/** Nobody can make one that is expired already. */
async function expiredKey(client: ServiceClient, org: Org): Promise<string> {
  const { keyId, key } = await client.createKey(org);
  await client.sql("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1", [keyId]);
  return key;
}

function withOtherEnd(key: string): string {
  return key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
}
