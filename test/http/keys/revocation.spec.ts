import { eventually } from '../../support/eventually.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';
import { UPSTREAM_MODEL, streamPieces } from '../../support/openai-upstream.js';
import {
  startService,
  startServiceProcess,
  type MadeKey,
  type Org,
  type ServiceClient,
  type ServiceProcess,
  type TestService,
} from '../../support/service.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { OpenStream } from '../open-stream.js';

let users: UserIssuer;
let service: TestService;
let replica: ServiceProcess;
let org: Org;

beforeAll(async () => {
  users = await startUserIssuer();
  service = await startService({ settings: users.settings });
  const { database, issuer, upstream, settings } = service;
  org = await service.createOrg('founder');
  replica = await startServiceProcess({
    database,
    issuer,
    upstream,
    providerTenants: [org.tenantId],
    env: {
      GATEHOUSE_PEPPERS: settings.peppers
        .map((pepper) => `${pepper.version}:${pepper.secret.toString('base64url')}`)
        .join(','),
      GATEHOUSE_SIGNING_KEYS: settings.signingKeys,
      GATEHOUSE_LEASE_SECONDS: '5',
      ...users.environment,
    },
  }).catch(async (error: unknown) => {
    await service.stop();
    throw error;
  });
});

afterAll(async () => {
  await replica.stop();
  await service.stop();
  await users.stop();
});

/** With a limit above all requests of a busy test. */
const newKey = (): Promise<MadeKey> => service.createKey(org, { requestsPerMinute: 1_000_000 });

const manage = <T>(route: string, body: object): Promise<T> =>
  service.asUser<T>({ user: org.user, tenant: org.tenantId }, `api-keys/${route}`, body);

async function newAppKey(): Promise<MadeKey> {
  const { result } = await manage<{ result: MadeKey }>('create-publishable', {
    name: 'App',
    oidc_config: users.oidcConfig,
    unlimited: true,
    rate_limit: { requests_per_minute: 1_000_000, requests_per_minute_per_human: 1_000_000 },
  });
  return { keyId: result.keyId, key: result.key };
}

async function statusOf(on: ServiceClient, { key }: MadeKey): Promise<number> {
  const user = key.startsWith('pk_') ? { authorization: `Bearer ${users.token()}` } : {};
  return (await on.call('GET', '/v1/models', { headers: { 'x-api-key': key, ...user } })).status;
}

async function revoke({ keyId }: MadeKey): Promise<void> {
  await manage('revoke', { key_id: keyId });
}

async function rotate({ keyId }: MadeKey, graceSeconds = 0): Promise<MadeKey & { previousKeyExpiresAt: string }> {
  const { result } = await manage<{ result: MadeKey & { previousKeyExpiresAt: string } }>('rotate', {
    key_id: keyId,
    grace_period_seconds: graceSeconds,
  });
  return result;
}

/** Both replicas refuse the key, and keep refusing it. */
async function expectRefusedEverywhere(key: MadeKey): Promise<void> {
  for (const on of [service, replica]) await eventually(async () => (await statusOf(on, key)) === 401);
  for (let round = 0; round < 20; round += 1) {
    for (const on of [service, replica]) expect(await statusOf(on, key)).toBe(401);
  }
}

/** Calls with a key on both replicas until it is told to stop; returns the statuses. */
interface Load {
  readonly statuses: ReadonlySet<number>;
  /** How often a replica accepted the key again after it had refused it. */
  readonly resurrections: number;
  stop(): Promise<void>;
}

function underLoad(key: MadeKey): Load {
  const statuses = new Set<number>();
  let resurrections = 0;
  let going = true;
  const worker = async (on: ServiceClient): Promise<void> => {
    for (let last = 0; going;) {
      const status = await statusOf(on, key);
      statuses.add(status);
      if (last === 401 && status !== 401) resurrections += 1;
      last = status;
    }
  };
  const workers = [service, replica, service, replica].map(worker);
  return {
    statuses,
    get resurrections() {
      return resurrections;
    },
    async stop() {
      going = false;
      await Promise.all(workers);
    },
  };
}

/** Ends the connections on which the replicas receive revocations, as an operator or a failover would. */
async function killListeners(): Promise<number> {
  const killed = await service.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~ 'pg_notify|LISTEN'`,
  );
  return killed.length;
}

async function databaseIsPast(time: string): Promise<boolean> {
  const [row] = await service.sql<{ past: boolean }>('SELECT clock_timestamp() > $1::timestamptz AS past', [time]);
  return row?.past === true;
}

const KINDS = [
  ['a secret key', newKey],
  ['a publishable key', newAppKey],
] as const;

describe('a revoked key', () => {
  it.each(KINDS)('is refused by both replicas, although both had cached it: %s', async (_kind, make) => {
    const key = await make();
    for (const on of [service, replica]) expect(await statusOf(on, key)).toBe(200);
    await revoke(key);
    await expectRefusedEverywhere(key);
  });

  it.each(KINDS)('is refused by both under load, while another key passes all the time: %s', async (_kind, make) => {
    const [revoked, untouched] = [await make(), await make()];
    const load = underLoad(revoked);
    const other = underLoad(untouched);
    try {
      await eventually(() => load.statuses.has(200) && other.statuses.has(200));
      await revoke(revoked);
      await expectRefusedEverywhere(revoked);
    } finally {
      await load.stop();
      await other.stop();
    }
    expect(load.statuses).toEqual(new Set([200, 401]));
    expect(load.resurrections).toBe(0);
    expect(other.statuses).toEqual(new Set([200]));
  });

  it('is refused by both although they missed the revocation, because their listeners’ connections are killed repeatedly', async () => {
    const [revoked, untouched] = [await newKey(), await newKey()];
    const load = underLoad(revoked);
    const other = underLoad(untouched);
    let killed = 0;
    try {
      await eventually(() => load.statuses.has(200) && other.statuses.has(200));
      killed += await killListeners();
      await revoke(revoked);
      killed += await killListeners();
      for (const on of [service, replica]) {
        await eventually(async () => {
          killed += await killListeners();
          return (await statusOf(on, revoked)) === 401;
        });
      }
      await expectRefusedEverywhere(revoked);
    } finally {
      await load.stop();
      await other.stop();
    }
    expect(killed).toBeGreaterThanOrEqual(2);
    expect(other.statuses).toEqual(new Set([200]));
  });

  it('does not become valid again when the listeners are back and the keys are cached again', async () => {
    const key = await newKey();
    for (const on of [service, replica]) expect(await statusOf(on, key)).toBe(200);
    await killListeners();
    await revoke(key);
    const later = await newKey();
    await eventually(async () => {
      const listening = await service.sql(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'pg_notify'",
      );
      return listening.length >= 2;
    });
    for (const on of [service, replica]) expect(await statusOf(on, later)).toBe(200);
    await expectRefusedEverywhere(key);
  });

  it('does not affect other keys', async () => {
    const [first, second] = [await newKey(), await newKey()];
    await revoke(first);
    await expectRefusedEverywhere(first);
    for (const on of [service, replica]) expect(await statusOf(on, second)).toBe(200);
  });

  it('lets an open stream end whole, and starts no other', async () => {
    const key = await newKey();
    const words = Array.from({ length: 40 }, (_, index) => ` word${index}`);
    service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }), delayMs: 30 });
    const stream = OpenStream.start(service, key.key, {
      model: UPSTREAM_MODEL,
      stream: true,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    await stream.until('word0');
    await revoke(key);
    await expectRefusedEverywhere(key);
    const asked = service.upstream.requests.length;
    const again = OpenStream.start(service, key.key, {
      model: UPSTREAM_MODEL,
      stream: true,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(await again.whole()).toContain('invalid_credential');
    expect(again.status).toBe(401);
    expect(service.upstream.requests).toHaveLength(asked);
    await stream.whole();
    expect(stream.text).toContain(' word39');
    expect(stream.events.at(-1)).toBe('[DONE]');
  });
});

describe('a rotated key', () => {
  it.each(KINDS)(
    'without a grace is refused by both under load, while its new secret passes: %s',
    async (_kind, make) => {
      const old = await make();
      const load = underLoad(old);
      let fresh: Load | null = null;
      try {
        await eventually(() => load.statuses.has(200));
        fresh = underLoad(await rotate(old));
        await expectRefusedEverywhere(old);
      } finally {
        await load.stop();
        await fresh?.stop();
      }
      expect(load.statuses).toEqual(new Set([200, 401]));
      expect(load.resurrections).toBe(0);
      expect(fresh.statuses).toEqual(new Set([200]));
    },
  );

  it.each(KINDS)('is refused by both under load once its grace is over, and not before: %s', async (_kind, make) => {
    const old = await make();
    const load = underLoad(old);
    try {
      await eventually(() => load.statuses.has(200));
      const { previousKeyExpiresAt: end } = await rotate(old, 3);
      // A process knows the database's clock to a few milliseconds.
      const early = new Date(Date.parse(end) - 50).toISOString();
      while (!(await databaseIsPast(end))) {
        for (const on of [service, replica]) {
          if ((await statusOf(on, old)) === 401) expect(await databaseIsPast(early)).toBe(true);
        }
      }
      await expectRefusedEverywhere(old);
    } finally {
      await load.stop();
    }
    expect(load.statuses).toEqual(new Set([200, 401]));
    expect(load.resurrections).toBe(0);
  });

  it('loses all its secrets on both replicas when it is revoked', async () => {
    const first = await newKey();
    const second = await rotate(first, 3600);
    const third = await rotate(first, 3600);
    for (const on of [service, replica]) {
      for (const key of [first, second, third]) expect(await statusOf(on, key)).toBe(200);
    }
    await revoke(first);
    for (const key of [first, second, third]) await expectRefusedEverywhere(key);
  });
});

describe('a replica that can no longer hear of revocations', () => {
  it.each<[string, (proxy: TcpProxy) => void]>([
    [
      'with silent connections of its listener, the present one and every later one',
      (proxy) => proxy.freeze('to-client'),
    ],
    [
      'with the connection of its listener lost for good',
      (proxy) => {
        proxy.refuse(true);
        proxy.cut();
      },
    ],
  ])('refuses a revoked key anyway, %s', async (_how, deafen) => {
    const { database, issuer, upstream, settings } = service;
    const { hostname, port } = new URL(database.ownerUrl);
    const proxy = await TcpProxy.start({ host: hostname, port: Number(port) });
    const deaf = await startService({
      database,
      issuer,
      upstream,
      settings: {
        peppers: settings.peppers,
        databaseDirectUrl: proxy.through(database.ownerUrl),
        platformProviderTenants: [org.tenantId],
      },
    });
    try {
      const [revoked, untouched] = [await newKey(), await newKey()];
      for (const key of [revoked, untouched]) expect(await statusOf(deaf, key)).toBe(200);
      deafen(proxy);
      await revoke(revoked);
      await eventually(async () => (await statusOf(deaf, revoked)) === 401);
      for (let round = 0; round < 20; round += 1) {
        expect(await statusOf(deaf, revoked)).toBe(401);
        expect(await statusOf(deaf, untouched)).toBe(200);
      }
    } finally {
      proxy.refuse(false);
      proxy.thaw();
      await deaf.stop();
      await proxy.close();
    }
  });
});
