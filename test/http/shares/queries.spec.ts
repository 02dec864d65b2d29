/** The database: queries of one tenant or one org make no other wait, calls least of all. */
import { UsageQueryService } from '../../../src/usage/index.js';
import { Metrics } from '../../../src/platform/metrics/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { connectionTo } from '../../support/sql.js';
import { chat, countsOf, makeCaller, platform, report, shareMetric, type Caller } from './tenants.js';

const SETTINGS = {
  ...{ databasePoolSize: 3, tenantQueries: 2, orgQueries: 2, tenantQueriesWaiting: 5, queryWaitMs: 30_000 },
};

let service: TestService;
let greedy: Caller;
let victim: Caller;

beforeAll(async () => {
  service = await startService({ settings: SETTINGS });
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  greedy = await makeCaller(service);
  victim = await makeCaller(service);
});

const metric = async (name: string, share: string): Promise<number> =>
  shareMetric(await service.app.get(Metrics).registry.metrics(), name, share);

async function ofVictim(count: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let index = 0; index < count; index += 1) {
    answers.push(
      await chat(service, victim),
      await report(service, victim),
      await platform(service, victim, 'humans/list'),
      await platform(service, victim, 'usage/query'),
    );
  }
  return answers;
}

/** Runs while all writes for this human wait. */
async function whileLocked(human: string, work: () => Promise<void>): Promise<void> {
  const lock = connectionTo(service.database.superuserUrl);
  await lock.connect();
  try {
    await lock.query('BEGIN');
    await lock.query('SELECT 1 FROM humans WHERE human = $1 FOR UPDATE', [human]);
    await lock.query('SELECT 1 FROM budgets FOR UPDATE');
    await work();
  } finally {
    await lock.query('ROLLBACK');
    await lock.end();
  }
}

it('reports of one human that wait for each other hold only their tenant’s connections', async () => {
  // They wait for a budget's row, as they do behind each other.
  const limits = [{ type: 'conversational_seconds', value: 1_000_000 }];
  expect((await platform(service, greedy, 'humans/upsert', { human: 'bob', limits })).status).toBe(200);
  let answers: Promise<Answer[]> | null = null;
  await whileLocked('bob', async () => {
    const reports = Array.from({ length: 60 }, () => report(service, greedy, 'bob'));
    answers = Promise.all(reports);
    let refused = 0;
    for (const answer of reports) void answer.then(({ status }) => (refused += status === 429 ? 1 : 0));
    await eventually(() => refused === 53);
    // A job of the service may briefly hold a connection too.
    await eventually(async () => (await metric('taken', 'database_connections')) === 2);
    expect(await metric('waiting', 'database_connections')).toBe(5);
    expect(countsOf(await ofVictim(3))).toEqual({ 200: 12 });
  });
  const all = await (answers as unknown as Promise<Answer[]>);
  expect(countsOf(all)).toEqual({ 200: 7, 429: 53 });
  const refusal = all.find(({ status }) => status === 429)!;
  expect(refusal.headers['retry-after']).toMatch(/^(?:[1-9]|1[0-5])$/);
  expect(refusal.text).toContain('GATEHOUSE_TENANT_QUERIES');
});

it('usage queries of nine tenants of one org leave another org its turn', async () => {
  const { turns } = service.app.get(UsageQueryService);
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  // They run until they are released: the time of real sums does not matter here.
  const works = Array.from({ length: 45 }, (_, index) =>
    turns
      .run({ tenantId: `tenant ${index % 9}`, orgId: 'one org' }, () => ended)
      .then(
        () => 'done',
        () => 'refused',
      ),
  );
  expect(turns).toMatchObject({ most: 2, taken: 1 });
  const answers: Answer[] = [];
  for (let query = 0; query < 5; query += 1) answers.push(await platform(service, victim, 'usage/query'));
  expect(countsOf(answers)).toEqual({ 200: 5 });
  end();
  const told = await Promise.all(works);
  // One runs, and sixteen of the others wait for it.
  expect(told.filter((word) => word === 'done')).toHaveLength(17);
});
