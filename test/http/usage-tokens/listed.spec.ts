/** A tenant's people and servers can see all usage tokens, and revoke one of them. */
import { eventually } from '../../support/eventually.js';
import type { Answer, Identity, MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { addEveryRole, ownerOf, post } from '../orgs/people.js';
import { expectPlatformRefusal, fieldsOf } from '../refusals.js';
import { statusOf, UsageServer } from './usage-client.js';

interface TokenView {
  readonly tokenId: string;
  readonly human: string;
  readonly keyId: string;
  readonly keyName: string;
  readonly status: string;
  readonly createdAt: string;
  readonly expiresAt: string;
}
interface Page {
  readonly tokens: TokenView[];
  readonly nextPageToken: string;
}

let service: SharedService;
let org: Org;
let owner: Identity;
let made: MadeKey;
let server: UsageServer;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.seedOrg();
  owner = ownerOf(org);
  made = await service.createKey(org, { name: 'Server', scopes: ['usage:read', 'usage:write'] });
  server = new UsageServer(service, made.key);
});

const list = (body: object = {}): Promise<Page> => service.asUser<Page>(owner, 'usage/list-tokens', body);
const humansOf = async (body: object = {}): Promise<string[]> => (await list(body)).tokens.map(({ human }) => human);
const send = (route: string, body: object, key = made.key): Promise<Answer> =>
  service.call('POST', `/api/v1/usage/${route}`, { headers: { 'x-api-key': key }, body });

it('lists tokens newest first, with human, key, status and end, and never the token itself', async () => {
  const token = await server.token('ann', { ttl_seconds: 60 });
  await server.token('bob');
  await server.revoke('ann');
  const { tokens, nextPageToken } = await list();
  const about = { keyId: made.keyId, keyName: 'Server', createdAt: expect.any(String), expiresAt: expect.any(String) };
  expect(tokens).toStrictEqual([
    { tokenId: expect.stringMatching(/^ut_/), human: 'bob', status: 'ACTIVE', ...about },
    { tokenId: expect.stringMatching(/^ut_/), human: 'ann', status: 'REVOKED', ...about },
  ]);
  expect(nextPageToken).toBe('');
  expect(JSON.stringify(tokens)).not.toContain(token);
  expect((await send('list-tokens', {})).json<Page>().tokens).toEqual(tokens);
});

it('finds tokens by human, by a part of the id, by key and by status, page by page', async () => {
  const other = await service.createKey(org, { scopes: ['usage:write'] });
  for (const human of ['ann@one', 'bea@one', 'cleo@two']) await server.token(human);
  await new UsageServer(service, other.key).token('dora@two');
  expect(await humansOf({ human: 'ann@one' })).toEqual(['ann@one']);
  expect(await humansOf({ search: '@TWO' })).toEqual(['dora@two', 'cleo@two']);
  expect(await humansOf({ keyId: other.keyId })).toEqual(['dora@two']);
  await service.asUser(owner, 'api-keys/revoke', { keyId: other.keyId });
  expect(await humansOf({ status: 'REVOKED' })).toEqual(['dora@two']);
  expect(await humansOf({ status: 'EXPIRED' })).toEqual([]);
  const first = await list({ status: 'ACTIVE', pageSize: 2 });
  const second = await list({ status: 'ACTIVE', pageSize: 2, pageToken: first.nextPageToken });
  expect([...first.tokens, ...second.tokens].map(({ human }) => human)).toEqual(['cleo@two', 'bea@one', 'ann@one']);
  const foreign = { status: 'EXPIRED', pageToken: first.nextPageToken };
  expect(fieldsOf(await expectPlatformRefusal(service, () => send('list-tokens', foreign), 400))).toEqual([
    'pageToken',
  ]);
});

it('revokes one token within a second and leaves the human’s others; may be repeated', async () => {
  const [ended, kept] = [await server.token('ann'), await server.token('ann')];
  const { tokens } = await list();
  const tokenId = tokens[1]!.tokenId;
  expect(await statusOf(service, ended)).toBe(200);
  for (let round = 0; round < 2; round += 1) {
    const { token } = await service.asUser<{ token: TokenView }>(owner, 'usage/revoke-token', { tokenId });
    expect(token).toMatchObject({ tokenId, human: 'ann', status: 'REVOKED' });
  }
  await eventually(async () => (await statusOf(service, ended)) === 401);
  expect(await statusOf(service, kept)).toBe(200);
  const told = await service.sql(
    "SELECT details FROM audit_events WHERE tenant_id = $1 AND action = 'usage_token.revoked'",
    [org.tenantId],
  );
  expect(told).toEqual([{ details: { tokens: 1 } }]);
});

it('shows and revokes nothing of another tenant, nor for a role or key without the right', async () => {
  await server.token('ann');
  const { tokenId } = (await list()).tokens[0]!;
  const stranger = await service.seedOrg();
  expect((await service.asUser<Page>(ownerOf(stranger), 'usage/list-tokens')).tokens).toEqual([]);
  const missing = await post(service, ownerOf(stranger), 'usage/revoke-token', { tokenId: 'ut_none' });
  const foreign = await post(service, ownerOf(stranger), 'usage/revoke-token', { tokenId });
  expect([foreign.status, foreign.json<{ error: { message: string } }>().error.message]).toEqual([
    404,
    missing.json<{ error: { message: string } }>().error.message,
  ]);
  const { viewer } = await addEveryRole(service, org);
  expect((await post(service, viewer, 'usage/list-tokens', {})).status).toBe(200);
  expect((await post(service, viewer, 'usage/revoke-token', { tokenId })).status).toBe(403);
  const reader = await service.createKey(org, { scopes: ['usage:read'] });
  await expectPlatformRefusal(service, () => send('revoke-token', { tokenId }, reader.key), 403);
  expect(await humansOf({ status: 'ACTIVE' })).toEqual(['ann']);
});
