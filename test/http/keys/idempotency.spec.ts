/** Keys are made and rotated once for an Idempotency-Key, in spite of repeats and broken connections. */
import { createHash } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { PostgresProxy, isCallOf } from '../../support/postgres-proxy.js';
import { startService, type Answer, type Identity, type Org, type TestService } from '../../support/service.js';
import { dump } from '../../support/sql.js';
import { fieldsOf, platformError } from '../refusals.js';

interface Made {
  readonly result: { readonly keyId: string; readonly key?: string; readonly [field: string]: unknown };
  readonly notice?: string;
}

let database: TestDatabase;
let proxy: PostgresProxy;
let service: TestService;
let org: Org;
let owner: Identity;

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await PostgresProxy.start(database.ownerUrl);
  service = await startService({
    database,
    settings: { databaseUrl: proxy.through(database.ownerUrl), databaseDirectUrl: database.ownerUrl },
  });
});

afterAll(async () => {
  await service.stop();
  await proxy.close();
  await database.drop();
});

beforeEach(async () => {
  org = await service.seedOrg();
  owner = { user: org.user, tenant: org.tenantId };
});

afterEach(() => {
  proxy.judge = () => 'pass';
});

const OIDC = { issuer: 'https://issuer.example', audience: 'app' };
const BODIES: Readonly<Record<string, object>> = {
  create: { name: 'Once', permissions: ['chat:write'], rate_limit: { requests_per_minute: 5 } },
  'create-publishable': { name: 'Once', oidc_config: OIDC, default_limits: [{ type: 'token_cnt', value: 1.5 }] },
};
const ROUTES = Object.keys(BODIES);

function send(route: string, body: unknown, key: string, identity = owner): Promise<Answer> {
  return service.call('POST', `/api/v1/api-keys/${route}`, {
    headers: { authorization: `Bearer ${service.dashboardToken(identity)}`, 'idempotency-key': key },
    body,
  });
}

const rowsOfTenant = async (): Promise<{ keys: number; claims: number; events: number }> => {
  const [row] = await service.sql<{ keys: number; claims: number; events: number }>(
    `SELECT (SELECT count(*)::int FROM api_keys WHERE tenant_id = $1) AS keys,
            (SELECT count(*)::int FROM idempotency_keys WHERE tenant_id = $1) AS claims,
            (SELECT count(*)::int FROM audit_events WHERE tenant_id = $1) AS events`,
    [org.tenantId],
  );
  return row ?? { keys: -1, claims: -1, events: -1 };
};

const isReplay = ({ headers }: Answer): boolean => headers['x-gatehouse-idempotent-replay'] === 'true';

describe.each(ROUTES)('api-keys/%s', (route) => {
  it('of many simultaneous requests makes one key, shows it to one, and tells the others that they repeat', async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => send(route, BODIES[route], 'at-once')));
    expect(answers.filter(({ status }) => status !== 200).map(({ text }) => text)).toEqual([]);
    const first = answers.filter((answer) => !isReplay(answer)).map((answer) => answer.json<Made>());
    expect(first).toHaveLength(1);
    const { key, ...shown } = first[0]?.result ?? { keyId: '' };
    expect(key).toMatch(/^[sp]k_gh_/);
    for (const answer of answers.filter(isReplay)) {
      expect(answer.json()).toStrictEqual({ result: shown, notice: expect.stringMatching(/repeats/) as string });
    }
    expect(await rowsOfTenant()).toEqual({ keys: 1, claims: 1, events: 1 });
    expect(await dump(service.database.superuserUrl)).not.toContain(String(key).slice(12));
  });

  it('accepts another spelling as the same request, and refuses any other change (409)', async () => {
    const body = BODIES[route] ?? {};
    expect((await send(route, body, 'same')).status).toBe(200);
    const spelled = JSON.stringify(body, null, 2)
      .replace('rate_limit', 'rateLimit')
      .replace('requests_per_minute', 'requestsPerMinute')
      .replace('oidc_config', 'oidcConfig')
      .replace('default_limits', 'defaultLimits');
    expect(isReplay(await send(route, spelled, 'same'))).toBe(true);
    for (const [elsewhere, other] of [
      [route, { ...body, name: 'Twice' }],
      [ROUTES.find((one) => one !== route) ?? '', BODIES[ROUTES.find((one) => one !== route) ?? '']],
    ] as const) {
      expect(fieldsOf(platformError(await send(elsewhere, other, 'same'), 409))).toEqual(['idempotency-key']);
    }
    expect((await rowsOfTenant()).keys).toBe(1);
  });

  it('is independent for another person, and for another key', async () => {
    const admin = { user: `admin-${org.user}`, tenant: org.tenantId };
    await service.addMember(org, admin.user, 'admin');
    const answers = [
      await send(route, BODIES[route], 'mine'),
      await send(route, BODIES[route], 'mine', admin),
      await send(route, BODIES[route], 'mine-too'),
    ];
    expect(answers.map(isReplay)).toEqual([false, false, false]);
    expect((await rowsOfTenant()).keys).toBe(3);
  });

  it('that was refused leaves nothing, and may be sent again', async () => {
    const body = { ...BODIES[route], expires_at: '2020-01-01T00:00:00Z' };
    platformError(await send(route, body, 'again'), 400);
    expect(await rowsOfTenant()).toEqual({ keys: 0, claims: 0, events: 0 });
    expect(isReplay(await send(route, BODIES[route], 'again'))).toBe(false);
  });

  it('whose connection breaks before the commit leaves nothing, and may be sent again', async () => {
    breakAtCommit('before');
    expect((await send(route, BODIES[route], 'broken')).status).toBe(503);
    expect(await rowsOfTenant()).toEqual({ keys: 0, claims: 0, events: 0 });
    const again = await send(route, BODIES[route], 'broken');
    expect(again.json<Made>().result.key).toMatch(/^[sp]k_gh_/);
    expect(await rowsOfTenant()).toEqual({ keys: 1, claims: 1, events: 1 });
  });

  it('whose answer was lost ran once: the repeat says so, without the key', async () => {
    breakAtCommit('after');
    expect((await send(route, BODIES[route], 'unheard')).status).toBe(503);
    const again = await send(route, BODIES[route], 'unheard');
    expect([again.status, isReplay(again)]).toEqual([200, true]);
    expect(again.json<Made>().result).not.toHaveProperty('key');
    expect(await rowsOfTenant()).toEqual({ keys: 1, claims: 1, events: 1 });
  });
});

describe('api-keys/rotate', () => {
  const isGood = async (key: string): Promise<boolean> =>
    (await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status !== 401;

  it('rotates once, however often it is sent', async () => {
    const { keyId, key: old } = await service.createKey(org);
    const body = { key_id: keyId, grace_period_seconds: 3600 };
    const answers = await Promise.all(Array.from({ length: 5 }, () => send('rotate', body, 'rotation')));
    const first = answers.find((answer) => !isReplay(answer))?.json<Made>();
    const { key, ...shown } = first?.result ?? { keyId: '' };
    expect(answers.filter(isReplay)).toHaveLength(4);
    for (const answer of answers.filter(isReplay)) {
      expect(answer.json()).toStrictEqual({ result: shown, notice: expect.stringMatching(/repeats/) as string });
    }
    expect([await isGood(old), await isGood(String(key))]).toEqual([true, true]);
    const retired = await service.sql('SELECT 1 FROM api_key_retired_secrets WHERE key_id = $1', [keyId]);
    expect(retired).toHaveLength(1);
  });

  it('that breaks before the commit leaves the old secret unchanged', async () => {
    const { keyId, key } = await service.createKey(org);
    breakAtCommit('before');
    expect((await send('rotate', { key_id: keyId }, 'rotation')).status).toBe(503);
    expect(await isGood(key)).toBe(true);
    const { result } = (await send('rotate', { key_id: keyId }, 'rotation')).json<Made>();
    expect(await isGood(String(result.key))).toBe(true);
  });
});

const COMMIT = createHash('sha1').update('COMMIT').digest('hex');

/** Breaks the next connection that commits: before the commit reaches the database, or before its answer reaches the service. */
function breakAtCommit(moment: 'before' | 'after'): void {
  let armed = true;
  proxy.judge = (message) => {
    const commits = isCallOf(COMMIT, message);
    const committed = message.from === 'server' && message.type === 'C' && message.body.toString().startsWith('COMMIT');
    if (!armed || !(moment === 'before' ? commits : committed)) return 'pass';
    armed = false;
    return 'cut-before';
  };
}
