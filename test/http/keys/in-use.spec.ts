import { newSecretKey } from '../../../src/keys/key-format.js';
import { eventually } from '../../support/eventually.js';
import { startUserIssuer } from '../../support/oidc-issuer.js';
import { createTestDatabase } from '../../support/postgres.js';
import { PostgresProxy, isCallOf } from '../../support/postgres-proxy.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { rowsOf } from '../../support/sql.js';
import { asEndUser, createAppKey, listModels } from '../end-users/app.js';
import { openaiError } from '../refusals.js';

let service: TestService;
let org: Org;

beforeAll(async () => {
  service = await startService();
  org = await service.createOrg('founder');
});

afterAll(() => service.stop());

const models = (key: string, on: TestService = service): Promise<Answer> =>
  on.call('GET', '/v1/models', { headers: { authorization: `Bearer ${key}` } });

const view = (keyId: string, on: TestService = service): Promise<Record<string, unknown>> =>
  on
    .asUser<{ apiKey: Record<string, unknown> }>({ user: org.user, tenant: org.tenantId }, 'api-keys/get', {
      key_id: keyId,
    })
    .then(({ apiKey }) => apiKey);

describe('a key', () => {
  it('works until it expires, and is then refused like a key that never existed', async () => {
    const { key, keyId } = await service.createKey(org, { expiresAt: new Date(Date.now() + 5000) });
    expect((await models(key)).status).toBe(200);
    expect(await view(keyId)).toMatchObject({ status: 'ACTIVE' });
    let refused = await models(key);
    await eventually(async () => {
      refused = await models(key);
      return refused.status === 401;
    });
    const unknown = await models(newSecretKey());
    expect(refused.text).toBe(unknown.text);
    expect(await view(keyId)).toMatchObject({ status: 'EXPIRED' });
  });

  it('works again once its expiry is moved', async () => {
    const { key, keyId } = await service.createKey(org, { expiresAt: new Date(Date.now() + 1000) });
    await eventually(async () => (await models(key)).status === 401);
    await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/update', {
      key_id: keyId,
      never_expires: true,
    });
    await eventually(async () => (await models(key)).status === 200);
  });

  it.each([
    ['GET', '/v1/models'],
    ['GET', '/v1/models/gpt-4o-mini'],
    ['POST', '/v1/chat/completions'],
  ])('without chat:write is refused at %s %s, and the answer names the missing scope', async (method, path) => {
    const { key } = await service.createKey(org, { scopes: ['usage:read', 'conversations:write'] });
    const body =
      method === 'POST' ? { body: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] } } : {};
    const error = openaiError(await service.call(method, path, { headers: { 'x-api-key': key }, ...body }), 403);
    expect(error.message).toContain('chat:write');
    expect(service.upstream.requests).toEqual([]);
  });

  it('with chat:write only can use all of these', async () => {
    const { key } = await service.createKey(org, { scopes: ['chat:write'] });
    expect((await models(key)).status).toBe(200);
    const headers = { 'x-api-key': key };
    const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] };
    expect((await service.call('POST', '/v1/chat/completions', { headers, body })).status).toBe(200);
  });

  it('is refused once its prefix, its checksum or any other character is changed', async () => {
    const { key } = await service.createKey(org);
    for (const at of [0, 3, 7, 20, key.length - 1]) {
      const other = key[at] === 'x' ? 'y' : 'x';
      expect((await models(key.slice(0, at) + other + key.slice(at + 1))).status).toBe(401);
    }
    expect((await models(`${key}x`)).status).toBe(401);
    expect((await models(key.slice(0, -1))).status).toBe(401);
    expect((await models(key)).status).toBe(200);
  });
});

describe('a request', () => {
  it('costs one look-up where its key is not cached, and no query where it is', async () => {
    const database = await createTestDatabase();
    const proxy = await PostgresProxy.start(database.ownerUrl);
    const users = await startUserIssuer();
    const quiet = await startService({
      database,
      issuer: service.issuer,
      upstream: service.upstream,
      settings: {
        ...users.settings,
        databaseUrl: proxy.through(database.ownerUrl),
        // Queries of others: heartbeats, windows, the leases of the ledger.
        databaseDirectUrl: database.ownerUrl,
        embeddedDatabase: true,
        leaseSeconds: 3600,
        sweepSeconds: 3600,
      },
    });
    try {
      const quietOrg = await quiet.createOrg('quiet');
      const secretKey = await quiet.createKey(quietOrg);
      const appKey = await createAppKey(quiet, quietOrg, users);
      const callers = [{ 'x-api-key': secretKey.key }, asEndUser(appKey, users.token())];
      // Queries that do not depend on the key: the list of models, the issuer's keys.
      const other = await createAppKey(quiet, quietOrg, users);
      expect((await listModels(quiet, asEndUser(other, users.token()))).status).toBe(200);
      const asked: string[] = [];
      proxy.judge = (message) => {
        const asks = message.from === 'client' && (message.type === 'B' || message.type === 'Q');
        if (asks && !isCallOf('touch_api_keys', message))
          asked.push(message.body.toString('latin1').split('\0', 2).join(''));
        return 'pass';
      };
      for (const headers of callers) {
        asked.length = 0;
        expect((await listModels(quiet, headers)).status).toBe(200);
        expect(asked).toEqual(['find_api_key', 'find_key_models']);
        await eventually(async () => {
          // A heartbeat that is late on a busy machine causes look-ups for as long as it is late.
          asked.length = 0;
          expect((await listModels(quiet, headers)).status).toBe(200);
          expect(asked).toEqual([]);
        });
      }
    } finally {
      await quiet.stop();
      await users.stop();
      await proxy.close();
      await database.drop();
    }
  });
});

describe('using a key a lot', () => {
  it('costs no look-up and no write for each request, and still shows when it was last used', async () => {
    const database = await createTestDatabase();
    const proxy = await PostgresProxy.start(database.ownerUrl);
    let lookUps = 0;
    proxy.judge = (message) => {
      if (isCallOf('find_api_key', message)) lookUps += 1;
      return 'pass';
    };
    const shared = { database, issuer: service.issuer, upstream: service.upstream };
    const busy = await startService({
      ...shared,
      settings: {
        databaseUrl: proxy.through(database.ownerUrl),
        platformProviderTenants: [],
        requestsPerMinute: 100_000,
      },
    });
    try {
      const busyOrg = await busy.createOrg('busy');
      const { key, keyId } = await busy.createKey(busyOrg);
      await models(key, busy);
      const before = Date.now();
      lookUps = 0;
      for (let round = 0; round < 10; round += 1) {
        const answers = await Promise.all(Array.from({ length: 50 }, () => models(key, busy)));
        expect(answers.every(({ status }) => status === 200)).toBe(true);
      }
      // A heartbeat that is late on a busy machine causes look-ups for as long as it is late, and no longer.
      expect(lookUps).toBeLessThan(250);
      await busy.stop();

      const [row] = await rowsOf<{ last_used_at: Date }>(
        database.superuserUrl,
        'SELECT last_used_at FROM api_keys WHERE id = $1',
        [keyId],
      );
      expect(row!.last_used_at.getTime()).toBeGreaterThanOrEqual(before - 1);
      const updates = (): Promise<{ count: number }[]> =>
        rowsOf(
          database.superuserUrl,
          "SELECT n_tup_upd::int AS count FROM pg_stat_user_tables WHERE relname = 'api_keys'",
        );
      // Statistics arrive a moment after their connections have ended.
      await eventually(async () => (await updates())[0]!.count >= 1);
      expect((await updates())[0]!.count).toBeLessThan(10);

      const next = await startService(shared);
      try {
        const { apiKey } = await next.asUser<{ apiKey: { lastUsedAt: string } }>(
          { user: busyOrg.user, tenant: busyOrg.tenantId },
          'api-keys/get',
          { key_id: keyId },
        );
        expect(apiKey.lastUsedAt).toBe(row!.last_used_at.toISOString());
      } finally {
        await next.stop();
      }
    } finally {
      await busy.stop();
      await proxy.close();
      await database.drop();
    }
  });
});
