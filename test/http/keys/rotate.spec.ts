/** Rotation: a new secret for the same key. */
import type { Identity, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { dump } from '../../support/sql.js';

interface KeyView {
  readonly keyId: string;
  readonly permissions: readonly string[];
  readonly [field: string]: unknown;
}

interface NewKey extends KeyView {
  readonly key: string;
}

let service: SharedService;
let org: Org;
let owner: Identity;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.seedOrg();
  owner = { user: org.user, tenant: org.tenantId };
});

async function create(body: object): Promise<NewKey> {
  return (await service.asUser<{ result: NewKey }>(owner, 'api-keys/create', body)).result;
}

async function get(keyId: string): Promise<KeyView> {
  return (await service.asUser<{ apiKey: KeyView }>(owner, 'api-keys/get', { key_id: keyId })).apiKey;
}

const RFC_3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

interface Rotated extends NewKey {
  readonly previousKeyExpiresAt: string;
}

const rotate = async (body: object): Promise<Rotated> =>
  (await service.asUser<{ result: Rotated }>(owner, 'api-keys/rotate', body)).result;
/** Whether the secret belongs to a key, whatever the key may do. */
const isGood = async (key: string): Promise<boolean> =>
  (await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status !== 401;

it('returns the key unchanged, with its new secret and the end of the old one', async () => {
  const { key, keyId, ...before } = await create({ name: 'Server', permissions: ['chat:write'] });
  const rotated = await rotate({ key_id: keyId, grace_period_seconds: 3600 });
  expect(rotated).toStrictEqual({
    ...before,
    keyId,
    keyPrefix: rotated.key.slice(0, 12),
    key: expect.stringMatching(/^sk_gh_/) as string,
    rotatedAt: expect.stringMatching(RFC_3339_UTC) as string,
    previousKeyExpiresAt: expect.stringMatching(RFC_3339_UTC) as string,
  });
  expect(rotated.key).not.toBe(key);
  const [row] = await service.sql<{ seconds: number }>(
    'SELECT extract(epoch FROM $1::timestamptz - clock_timestamp())::float8 AS seconds',
    [rotated.previousKeyExpiresAt],
  );
  expect(row?.seconds).toBeGreaterThan(3500);
  expect(row?.seconds).toBeLessThanOrEqual(3600);
  expect([await isGood(key), await isGood(rotated.key)]).toEqual([true, true]);
});

it('shows no secret again, and stores none', async () => {
  const { key, keyId } = await create({ name: 'Server' });
  const rotated = await rotate({ keyId, gracePeriodSeconds: 60 });
  const texts = [JSON.stringify(await get(keyId)), await dump(service.database.superuserUrl)];
  for (const text of texts) {
    for (const secret of [key, rotated.key]) {
      expect(text).not.toContain(secret.slice(12));
      expect(text).not.toContain(Buffer.from(secret).toString('hex'));
    }
  }
});

it('shows who made a key, when it was rotated, and until when its old secret works', async () => {
  await service.sql("UPDATE users SET email = 'owner@example.com' WHERE id = $1", [org.user]);
  const { keyId } = await create({ name: 'Server' });
  expect(await get(keyId)).toMatchObject({ createdBy: { userId: org.user, email: 'owner@example.com' } });
  expect(Object.keys(await get(keyId))).not.toEqual(expect.arrayContaining(['rotatedAt']));
  const { previousKeyExpiresAt, rotatedAt } = await rotate({ keyId, gracePeriodSeconds: 3600 });
  const { apiKeys } = await service.asUser<{ apiKeys: KeyView[] }>(owner, 'api-keys/list');
  expect(apiKeys).toEqual([
    expect.objectContaining({
      keyId,
      rotatedAt,
      oldSecretsExpireAt: previousKeyExpiresAt,
      createdBy: { userId: org.user, email: 'owner@example.com' },
    }),
  ]);
  await rotate({ keyId });
  await service.sql("UPDATE api_key_retired_secrets SET expires_at = now() - interval '1 second' WHERE key_id = $1", [
    keyId,
  ]);
  expect(Object.keys(await get(keyId))).not.toEqual(expect.arrayContaining(['oldSecretsExpireAt']));
});
