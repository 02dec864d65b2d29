/** The lifetime of usage tokens: by the database's records, the same on every replica. */
import { generateKeyPairSync } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { connectionTo } from '../../support/sql.js';
import { startService, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { UsageServer, expectNearly, askedLimits, bearer, changeKey, chat, statusOf } from './usage-client.js';

const ROOM = { requestsPerMinute: 1_000_000, requestsPerMinutePerHuman: 1_000_000 };

let service: TestService;
let replica: TestService;
let org: Org;
let key: MadeKey;
let server: UsageServer;

beforeAll(async () => {
  service = await startService({ settings: ROOM });
  org = await service.createOrg('founder');
  replica = await another();
});

afterAll(async () => {
  await replica.stop();
  await service.stop();
});

beforeEach(async () => {
  key = await service.createKey(org);
  server = new UsageServer(service, key.key);
});

/** A replica of the first service. */
function another(settings: object = {}): Promise<TestService> {
  const { database, issuer, upstream, google } = service;
  return startService({
    ...{ database, issuer, upstream, google },
    settings: { ...ROOM, platformProviderTenants: [org.tenantId], ...settings },
  });
}

/** Every replica has it in memory. */
async function remembered(token: string): Promise<string> {
  for (const on of [service, replica]) expect(await statusOf(on, token)).toBe(200);
  return token;
}

/** Every replica refuses it, and keeps refusing it. */
async function expectRefused(token: string): Promise<void> {
  for (const on of [service, replica]) await eventually(async () => (await statusOf(on, token)) === 401);
  for (let round = 0; round < 10; round += 1) {
    for (const on of [service, replica]) expect(await statusOf(on, token)).toBe(401);
  }
}

describe('on every replica', () => {
  it('a revoked token is refused, and so is every other one of its human; those of others are not', async () => {
    const tokens = [await remembered(await server.token('ann')), await remembered(await server.token('ann'))];
    const beas = await remembered(await server.token('bea'));
    await server.revoke('ann');
    for (const token of tokens) await expectRefused(token);
    await remembered(beas);
    await remembered(await server.token('ann'));
  });

  it('a token of a revoked key is refused', async () => {
    const token = await remembered(await server.token('ann'));
    await changeKey(service, org, 'revoke', key);
    await expectRefused(token);
  });

  it('a token of a rotated key stays valid', async () => {
    const token = await remembered(await server.token('ann'));
    const { result } = (await changeKey(service, org, 'rotate', key)) as { result: { key: string } };
    await eventually(async () => (await server.call('POST', 'token/check', { human: 'ann' })).status === 401);
    expectNearly(await new UsageServer(service, result.key).secondsLeft('ann'), 3600);
    await remembered(token);
  });

  it("a token has its key's current scopes", async () => {
    const token = await remembered(await server.token('ann'));
    const can = async (on: TestService): Promise<number[]> => [
      (await chat(on, bearer(token))).status,
      await statusOf(on, token),
    ];
    for (const on of [service, replica]) expect(await can(on)).toEqual([200, 200]);
    await changeKey(service, org, 'update', key, { permissions: ['chat:write', 'usage:write', 'audit:read'] });
    for (const on of [service, replica]) await eventually(async () => expect(await can(on)).toEqual([200, 403]));
    await changeKey(service, org, 'update', key, { permissions: [] });
    for (const on of [service, replica]) await eventually(async () => expect(await can(on)).toEqual([403, 403]));
    await changeKey(service, org, 'update', key, { permissions: ['chat:write', 'usage:read'] });
    for (const on of [service, replica]) await eventually(async () => expect(await can(on)).toEqual([200, 200]));
  });

  it("a token never has a scope that tokens can't have, whatever its key has", async () => {
    const all = await service.createKey(org, {
      scopes: ['audit:read', 'users:impersonate', 'humans:write', 'usage:write'],
    });
    const token = await new UsageServer(service, all.key).token('ann');
    const call = (path: string, headers = {}) =>
      service.call('POST', path, { headers: { ...bearer(token), ...headers }, body: {} });
    expect((await call('/api/v1/audit/list')).status).toBe(403);
    expect((await call('/api/v1/llm/gateway/list-threads')).status).toBe(403);
    expect((await call('/api/v1/llm/gateway/list-threads', { 'x-on-behalf-of': 'bea' })).status).toBe(403);
  });

  it('a shortened life ends sooner, and an extended one lasts longer', async () => {
    const long = await remembered(await server.token('ann'));
    await server.updateTtl('ann', 1);
    await expectRefused(long);
    expect(await server.secondsLeft('ann')).toBeNull();
    const short = await remembered(await server.token('bea', { ttl_seconds: 5 }));
    await server.updateTtl('bea', 3600);
    const [row] = await service.sql<{ past: string }>(
      "SELECT (clock_timestamp() + interval '6 seconds')::text AS past",
    );
    await eventually(async () => {
      const [now] = await service.sql<{ is: boolean }>('SELECT clock_timestamp() > $1::timestamptz AS is', [row?.past]);
      return now?.is === true;
    });
    await remembered(short);
  });

  it('an expired token is refused, and no update makes it valid again', async () => {
    const token = await remembered(await server.token('ann', { ttl_seconds: 4 }));
    await expectRefused(token);
    expect((await server.call('POST', 'token/update_ttl', { human: 'ann', ttl_seconds: 60 })).status).toBe(404);
    const fresh = await server.token('ann');
    await server.updateTtl('ann', 600);
    await expectRefused(token);
    await remembered(fresh);
  });

  it('a token ends with its key, and check says so', async () => {
    const [row] = await service.sql<{ soon: Date }>("SELECT clock_timestamp() + interval '6 seconds' AS soon");
    const brief = await service.createKey(org, { expiresAt: row!.soon });
    const token = await remembered(await new UsageServer(service, brief.key).token('cem'));
    expect(await server.secondsLeft('cem')).toBeLessThanOrEqual(6);
    await expectRefused(token);
    expect(await server.secondsLeft('cem')).toBeNull();
    expect((await server.call('POST', 'token/update_ttl', { human: 'cem', ttl_seconds: 60 })).status).toBe(404);
    // A key may get a longer life; a revoked token stays revoked.
    await server.revoke('cem');
    await changeKey(service, org, 'update', brief, { never_expires: true });
    await expectRefused(token);
  });

  it('a token of an erased human is refused; a new human of the same name gets another', async () => {
    const token = await remembered(await server.token('dan', { limits: [{ type: 'request_cnt', value: 1 }] }));
    await service.sql("DELETE FROM humans WHERE human = 'dan'");
    await expectRefused(token);
    await remembered(await server.token('dan'));
    expect(await server.limits('dan')).toEqual([]);
    await expectRefused(token);
  });
});

describe('at the same time,', () => {
  it("a human can't be erased between the two steps that make a token of theirs", async () => {
    await server.setLimits('hal', []);
    const holder = connectionTo(service.database.superuserUrl);
    await holder.connect();
    const waiting = (count: number) =>
      eventually(async () => {
        const rows = await service.sql(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        return rows.length >= count;
      });
    try {
      await holder.query('BEGIN; LOCK TABLE usage_tokens IN SHARE MODE');
      const making = server.call('POST', 'token', { human: 'hal' });
      await waiting(1);
      const erasing = service.sql("DELETE FROM humans WHERE human = 'hal'");
      await waiting(2);
      await holder.query('COMMIT');
      expect((await making).status).toBe(200);
      await erasing;
    } finally {
      await holder.end();
    }
    expect(await service.sql("SELECT 1 FROM humans WHERE human = 'hal'")).toEqual([]);
    expect(await server.secondsLeft('hal')).toBeNull();
  });

  it('tokens that are made while their human is erased belong to the new human: none fails, none is left behind', async () => {
    const statuses = new Set<number>();
    const makes = Array.from({ length: 60 }, async () => {
      const limits = [{ type: 'token_cnt', value: 5 }];
      statuses.add((await server.call('POST', 'token', { human: 'flo', limits })).status);
    });
    const erases = Array.from({ length: 30 }, () => service.sql("DELETE FROM humans WHERE human = 'flo'"));
    await Promise.all([...makes, ...erases]);
    expect([...statuses]).toEqual([200]);
    await server.token('flo');
    expect(await service.sql("SELECT 1 FROM humans WHERE human = 'flo'")).toHaveLength(1);
  });

  it('any changes of the tokens of one human never deadlock', async () => {
    await Promise.all(Array.from({ length: 20 }, () => server.token('gus')));
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        index % 4 === 3
          ? server.call('POST', 'token', { human: 'gus' })
          : server.call('POST', 'token/update_ttl', { human: 'gus', ttl_seconds: 100 + index }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await Promise.all(Array.from({ length: 10 }, () => server.revoke('gus')));
    expect(await server.secondsLeft('gus')).toBeNull();
  });
});

describe('a key that is revoked during its request', () => {
  it('makes no token: an earlier revocation counts, although the key was admitted before', async () => {
    const body = JSON.stringify({ human: 'eve' });
    // The key is cached everywhere; the row changes without a notification.
    expect(await server.secondsLeft('eve')).toBeNull();
    await service.sql('ALTER TABLE api_keys DISABLE TRIGGER announce_change');
    try {
      await service.sql('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [key.keyId]);
      for (const [method, route] of [
        ['POST', 'token'],
        ['POST', 'token/revoke'],
      ] as const) {
        expect((await server.call(method, route, body)).status).toBe(401);
      }
      await service.sql("UPDATE api_keys SET revoked_at = NULL, scopes = '{usage:read}' WHERE id = $1", [key.keyId]);
      expect((await server.call('POST', 'token', body)).status).toBe(403);
    } finally {
      await service.sql('ALTER TABLE api_keys ENABLE TRIGGER announce_change');
    }
    expect(await service.sql("SELECT 1 FROM humans WHERE human = 'eve'")).toEqual([]);
  });
});

describe('signing keys', () => {
  const pem = (): string =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const kidOf = (token: string): unknown =>
    (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: unknown }).kid;

  it('rotate without ending live tokens; a token of a removed key is refused', async () => {
    const old = await server.token('ann');
    const newKey = pem();
    const rotating = await another({ signingKeys: `${newKey}${service.settings.signingKeys}` });
    const rotated = await another({ signingKeys: newKey });
    try {
      const fresh = await new UsageServer(rotating, key.key).token('ann');
      expect(kidOf(fresh)).not.toBe(kidOf(old));
      const { keys } = (await rotating.call('GET', '/.well-known/jwks.json')).json<{ keys: { kid: string }[] }>();
      expect(keys.map(({ kid }) => kid)).toEqual([kidOf(fresh), kidOf(old)]);
      expect([await statusOf(rotating, old), await statusOf(rotating, fresh)]).toEqual([200, 200]);
      expect([await statusOf(rotated, old), await statusOf(rotated, fresh)]).toEqual([401, 200]);
    } finally {
      await rotating.stop();
      await rotated.stop();
    }
  });
});

describe('request windows', () => {
  it("a token uses its human's window at its key, by the key's setting, and takes nothing of the key's", async () => {
    const busy = await service.asUser<{ result: MadeKey }>(
      { user: org.user, tenant: org.tenantId },
      'api-keys/create',
      {
        name: 'Busy',
        rate_limit: { requests_per_minute: 5, requests_per_minute_per_human: 3 },
      },
    );
    const of = new UsageServer(service, busy.result.key);
    const [ann, again, bea] = [await of.token('ann'), await of.token('ann'), await of.token('bea')];
    const places: unknown[] = [];
    for (const token of [ann, again, ann, ann, again, bea]) {
      const { status, headers } = await askedLimits(service, token);
      places.push([status, headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']]);
    }
    expect(places).toEqual([
      [200, '3', '2'],
      [200, '3', '1'],
      [200, '3', '0'],
      [429, '3', '0'],
      [429, '3', '0'],
      [200, '3', '2'],
    ]);
    const { headers } = await of.call('POST', 'token/check', { human: 'ann' });
    expect([headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']]).toEqual(['5', '1']);
  });
});
