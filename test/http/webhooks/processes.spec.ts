/** Deliveries by processes that are killed, stopped and many: at least once, and once where nothing goes wrong. */
import { randomBytes } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { startServiceProcess, type Org, type ServiceProcess } from '../../support/service.js';
import { rowsOf, seedTenant } from '../../support/sql.js';
import { TestIssuer } from '../../support/tokens.js';
import { WebhookReceiver, verifiesByHmac } from '../../support/webhook-receiver.js';
import { QUICK_ENVIRONMENT, call, create, deliveriesOf, happen, settledDeliveries } from './webhooks.js';

let database: TestDatabase;
let issuer: TestIssuer;
let receiver: WebhookReceiver;
let org: Org;
const running = new Set<ServiceProcess>();

beforeAll(async () => {
  database = await createTestDatabase();
  issuer = await TestIssuer.start();
  receiver = await WebhookReceiver.start();
});

afterAll(async () => {
  await receiver.stop();
  await issuer.stop();
  await database.drop();
});

beforeEach(async () => {
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  org = { orgId, tenantId, user: ownerId };
  receiver.received.length = 0;
  receiver.reactions.clear();
});

afterEach(async () => {
  await Promise.all([...running].map((process) => end(process)));
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const service = await startServiceProcess({
    database,
    issuer,
    env: { ...receiver.environment, ...QUICK_ENVIRONMENT, ...env },
  });
  running.add(service);
  return service;
}

async function end(service: ServiceProcess, how: 'stop' | 'kill9' = 'stop'): Promise<void> {
  running.delete(service);
  await service[how]();
}

const times = (): number[] => {
  const byId = new Map<string, number>();
  for (const { id } of receiver.received) byId.set(id, (byId.get(id) ?? 0) + 1);
  return [...byId.values()];
};

it('two processes share the work, and send nothing twice', async () => {
  // An answer that comes late on a busy machine would be a second attempt.
  const patient = { GATEHOUSE_WEBHOOK_TIMEOUT_MS: '30000' };
  const [one, two] = await Promise.all([start(patient), start(patient)]);
  for (const at of ['/a', '/b', '/c']) await create(one, org, receiver.url(at));
  await happen(two, org, { count: 60 });
  await eventually(() => receiver.received.length >= 180);
  const deliveries = await settledDeliveries(one, org);
  expect(deliveries).toHaveLength(180);
  expect(deliveries.every(({ status, attempts }) => status === 'DELIVERED' && attempts === 1)).toBe(true);
  expect(receiver.received).toHaveLength(180);
  expect(new Set(receiver.received.map(({ id, path }) => `${id} ${path}`)).size).toBe(180);
});

it("a killed process's open deliveries are sent by another, and none is lost", async () => {
  const doomed = await start();
  await create(doomed, org, receiver.url());
  // Received, and never answered: the process dies between claim and end.
  receiver.reactions.set('/hook', 'hang');
  await happen(doomed, org, { count: 4 });
  await eventually(() => receiver.received.length >= 4);
  await end(doomed, 'kill9');
  expect(await pending()).toBe(4);
  receiver.reactions.clear();
  const survivor = await start();
  const deliveries = await settledDeliveries(survivor, org);
  expect(deliveries.map(({ status }) => status)).toEqual(Array(4).fill('DELIVERED'));
  for (const count of times()) expect(count).toBeGreaterThanOrEqual(2);
  expect(times()).toHaveLength(4);
});

it('a process that is stopped begins no new delivery, and finishes the open ones', async () => {
  const stopping = await start();
  await create(stopping, org, receiver.url());
  receiver.reactions.set('/hook', 'hang');
  await happen(stopping, org, { count: 4 });
  await eventually(() => receiver.received.length === 4);
  // More than can be open: the others wait for the next process.
  await happen(stopping, org, { count: 4 });
  await end(stopping);
  // Each of the four ended properly: tried once, due for another try, with its end written.
  const rows = await rowsOfDeliveries();
  expect(rows.filter(({ attempts, last_error: error }) => attempts === 1 && error === 'TIMEOUT')).toHaveLength(4);
  expect(rows.filter(({ attempts }) => attempts === 0)).toHaveLength(4);
  receiver.reactions.clear();
  const next = await start();
  expect((await settledDeliveries(next, org)).map(({ status }) => status)).toEqual(Array(8).fill('DELIVERED'));
});

it('old events are deleted with their deliveries; younger ones stay', async () => {
  const service = await start({ GATEHOUSE_WEBHOOK_PRUNE_SECONDS: '1' });
  await create(service, org, receiver.url());
  await happen(service, org, { count: 2 });
  const [young] = await settledDeliveries(service, org);
  await service.sql(
    "UPDATE webhook_events SET created_at = now() - interval '31 days' WHERE id <> $1 AND tenant_id = $2",
    [young!.eventId, org.tenantId],
  );
  await eventually(async () => (await deliveriesOf(service, org)).length === 1);
  expect(await deliveriesOf(service, org)).toEqual([young]);
});

describe('the encryption key', () => {
  const [first, second] = [1, 2].map((version) => `${version}:${randomBytes(32).toString('base64url')}`) as [
    string,
    string,
  ];

  it('is rotated under a running service: stored secrets move to the newest key, and the old one may be removed', async () => {
    const before = await start({ GATEHOUSE_ENCRYPTION_KEYS: first });
    const { endpoint, secret } = await create(before, org, receiver.url());
    await end(before);
    const between = await start({ GATEHOUSE_ENCRYPTION_KEYS: `${second},${first}` });
    const versions = () =>
      between.sql('SELECT key_version FROM webhook_secrets WHERE endpoint_id = $1', [endpoint.endpointId]);
    await eventually(async () => expect(await versions()).toEqual([{ key_version: 2 }]));
    await end(between);
    const after = await start({ GATEHOUSE_ENCRYPTION_KEYS: second });
    await call(after, org, 'test', { endpointId: endpoint.endpointId });
    await eventually(() => receiver.received.length === 1);
    expect(verifiesByHmac(receiver.received[0]!, secret)).toBe(true);
  });

  it('that was removed too early is named in the log, blames no endpoint, and can come back', async () => {
    const before = await start({ GATEHOUSE_ENCRYPTION_KEYS: first });
    const { endpoint } = await create(before, org, receiver.url());
    await end(before);
    const without = await start({ GATEHOUSE_ENCRYPTION_KEYS: second });
    await happen(without, org);
    await eventually(async () => (await deliveriesOf(without, org))[0]?.lastError === 'INTERNAL');
    expect(without.process.stdout).toMatch(/version 1 of GATEHOUSE_ENCRYPTION_KEYS, which is not set any more/);
    expect(await call(without, org, 'get', { endpointId: endpoint.endpointId })).toMatchObject({
      endpoint: { status: 'ENABLED' },
    });
    await end(without);
    expect(receiver.received).toEqual([]);
    const mended = await start({ GATEHOUSE_ENCRYPTION_KEYS: `${second},${first}` });
    expect((await settledDeliveries(mended, org)).map(({ status }) => status)).toEqual(['DELIVERED']);
  });
});

const rowsOfDeliveries = async (): Promise<{ attempts: number; last_error: string | null; status: string }[]> => {
  return rowsOf(
    database.superuserUrl,
    'SELECT attempts, last_error, status FROM webhook_deliveries WHERE tenant_id = $1',
    [org.tenantId],
  );
};
const pending = async (): Promise<number> =>
  (await rowsOfDeliveries()).filter(({ status }) => status === 'PENDING').length;
