/** Postgres' disk fills up under load. Calls get 503, none goes upstream unrecorded, and all is exact once there is room. */
import { DebianPostgres } from '../support/debian-postgres.js';
import { eventually } from '../support/eventually.js';
import { OpenaiUpstream } from '../support/openai-upstream.js';
import { startServiceProcess, type ServiceProcess } from '../support/service.js';
import { SmallDisk } from '../support/small-disk.js';
import { seedTenant } from '../support/sql.js';
import { SteadyLoad } from '../support/steady-load.js';
import { TestIssuer } from '../support/tokens.js';

const DISK_MEBIBYTES = 320;

let disk: SmallDisk;
let postgres: DebianPostgres;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let service: ServiceProcess;
let key: string;

beforeAll(async () => {
  disk = await SmallDisk.mount(DISK_MEBIBYTES);
  postgres = await DebianPostgres.start([], disk.folder);
  [issuer, upstream] = await Promise.all([TestIssuer.start(), OpenaiUpstream.start()]);
  const ownerUrl = await postgres.createDatabase('gatehouse');
  const database = { ownerUrl, superuserUrl: postgres.superuserUrl('gatehouse'), drop: () => Promise.resolve() };
  service = await startServiceProcess({ database, issuer, upstream, providerTenants: ['*'] });
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  const org = { orgId, tenantId, user: ownerId };
  ({ key } = await service.createKey(org, { requestsPerMinute: 1_000_000 }));
});

afterAll(async () => {
  await service.stop();
  await Promise.all([issuer.stop(), upstream.close()]);
  await postgres.stop();
  await disk.remove();
});

const ready = (): Promise<{ status: number; text: string }> => service.call('GET', '/health/ready');

async function startLoad(): Promise<SteadyLoad> {
  await service.sql('DELETE FROM usage_records');
  upstream.reset();
  const load = SteadyLoad.start(service.baseUrl, service, key, 25);
  await eventually(() => load.sent.length > 25);
  expect(load.failed).toEqual([]);
  return load;
}

/** Waits until calls succeed again, and compares the ledger with the upstream. */
async function expectRecovery(load: SteadyLoad): Promise<void> {
  await eventually(async () => (await ready()).status === 200, 60_000);
  const failed = load.failed.length;
  await load.stopAfter(load.sent.length + 50);
  expect(load.failed.length).toBeLessThan(failed + 50);
  await load.expectExact(upstream);
}

it('without room for a table to grow, calls and readiness name the disk, and both recover by themselves', async () => {
  const load = await startLoad();
  await disk.fill();
  await eventually(() => load.failed.some((failure) => failure.includes("The database's disk is full")), 60_000);
  expect(await ready()).toMatchObject({ status: 503, text: expect.stringContaining("The database's disk is full") });
  expect((await service.call('GET', '/health/live')).status).toBe(200);
  await disk.makeRoom();
  await expectRecovery(load);
});

it('without room for the write-ahead log Postgres ends; once it is started again with room, the service continues', async () => {
  const load = await startLoad();
  await disk.fill();
  const switching = postgres.switchLogUntilFull();
  await eventually(async () => (await ready()).status === 503, 60_000);
  await switching;
  await eventually(() => load.failed.length > 25);
  await disk.makeRoom();
  await postgres.startAgain();
  await expectRecovery(load);
});
