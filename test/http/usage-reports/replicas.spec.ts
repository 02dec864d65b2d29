/** A report that two service processes retry at once. */
import { startServiceProcess, type Org, type ServiceProcess } from '../../support/service.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { GoogleEndpoints } from '../../support/google-endpoints.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { TestIssuer } from '../../support/tokens.js';
import { HUMAN_LIMITS } from '../../support/human-limits.js';

let database: TestDatabase;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let google: GoogleEndpoints;
let processes: ServiceProcess[];
let org: Org;
let key: string;

beforeAll(async () => {
  database = await createTestDatabase();
  issuer = await TestIssuer.start();
  upstream = await OpenaiUpstream.start();
  google = await GoogleEndpoints.start({ projectId: issuer.audience, issuer });
  const shared = { database, issuer, upstream, google };
  // One after the other: the first one migrates.
  processes = [await startServiceProcess(shared), await startServiceProcess(shared)];
  org = await processes[0]!.seedOrg();
  ({ key } = await processes[0]!.createKey(org));
});

afterAll(async () => {
  await Promise.all(processes.map((one) => one.stop()));
  await google.stop();
  await upstream.close();
  await issuer.stop();
  await database.drop();
});

it('is one report: each retry gets the same answer, the ledger has it once, and the limit is charged once', async () => {
  const post = (turn: number, route: string, body: object) =>
    processes[turn % 2]!.call('POST', `/api/v1/${route}`, { headers: { 'x-api-key': key }, body });
  const human = 'caller';
  expect(
    (await post(0, 'humans/upsert', { human, limits: [{ type: 'conversational_seconds', value: 1000 }] })).status,
  ).toBe(200);
  for (let report = 0; report < 5; report += 1) {
    const body = { type: 'conversational_seconds', value: 7.25, human, idempotency_key: `call ${report}` };
    const answers = await Promise.all(Array.from({ length: 24 }, (_, turn) => post(turn, 'usage/report', body)));
    expect(answers.filter(({ status }) => status !== 200).map(({ text }) => text)).toEqual([]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const fresh = answers.filter(({ headers }) => headers['x-gatehouse-idempotent-replay'] === undefined);
    expect(fresh).toHaveLength(1);
  }
  const sql = processes[0]!;
  expect(await sql.sql('SELECT micro_units::int AS n FROM usage_reports')).toEqual(Array(5).fill({ n: 7_250_000 }));
  expect(await sql.sql(`SELECT conversational_seconds::int AS n FROM ${HUMAN_LIMITS} AS h`)).toEqual([
    { n: 963_750_000 },
  ]);
});
