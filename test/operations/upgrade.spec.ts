/** The previous release and this one side by side on one Postgres, as in a rolling upgrade. */
import { Fleet } from '../support/fleet.js';
import { Haproxy } from '../support/load-balancers.js';
import { UPSTREAM_MODEL } from '../support/openai-upstream.js';
import { migrationsIn, PreviousRelease } from '../support/previous-release.js';
import { WHOLE } from '../support/proof-form.js';
import { SteadyLoad } from '../support/steady-load.js';

const { checkEvery, lameDuck, perSecond, calls } = WHOLE
  ? { checkEvery: undefined, lameDuck: '5', perSecond: 50, calls: 2000 }
  : { checkEvery: '500ms', lameDuck: '2', perSecond: 25, calls: 200 };
const env = { GATEHOUSE_LAME_DUCK_SECONDS: lameDuck };

let previous: PreviousRelease;
let fleet: Fleet;

beforeAll(async () => {
  previous = await PreviousRelease.build();
  fleet = await Fleet.start({ env, main: previous.main });
});

afterAll(async () => {
  await fleet.stop();
  await previous.remove();
});

async function applied(): Promise<string[]> {
  const rows = await fleet
    .replica(0)
    .sql<{ name: string }>(
      'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY 1',
    );
  return rows.map(({ name }) => name);
}

/** The parts of the schema that a start could change. */
async function schema(): Promise<{ migrations: string[]; functions: unknown[] }> {
  const functions = await fleet.replica(0).sql('SELECT * FROM _gatehouse_functions ORDER BY 1');
  return { migrations: await applied(), functions };
}

it('a rolling upgrade under load loses no call, charges none twice, and fails none', async () => {
  const haproxy = await Haproxy.start(fleet.ports, checkEvery);
  try {
    await haproxy.bothAreUp();
    expect(await applied()).toEqual(previous.migrations);
    const load = SteadyLoad.start(haproxy.baseUrl, fleet.replica(0), fleet.key, perSecond);
    for (const index of [0, 1] as const) {
      expect(await fleet.replace(index, { env })).toMatchObject({ code: 0, stderr: '' });
      await haproxy.bothAreUp();
      // The first new replica migrates, and the old one serves beside it.
      expect(await applied()).toEqual(migrationsIn('.'));
    }
    await load.stopAfter(calls);
    const account = await load.account(fleet.upstream);
    expect(account).toEqual({ failed: [], lost: [], doubled: [], charged: ['SETTLED OK'] });
  } finally {
    await haproxy.stop();
  }
});

it('an old replica that restarts after a crash changes nothing of the newer schema, and serves', async () => {
  await fleet.replica(1).kill9();
  const before = await schema();
  await fleet.startAgain(1, { env, main: previous.main });
  const old = fleet.replica(1);
  expect(await schema()).toEqual(before);
  const { status } = await old.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': fleet.key },
    body: { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] },
  });
  expect(status).toBe(200);
  const isBehind = previous.migrations.length < before.migrations.length;
  const told = old.process.log.some(({ msg }) => String(msg).startsWith('A newer version of Gatehouse migrated'));
  expect(told).toBe(isBehind);
  // The newer one continues too: its start finds the schema as it left it.
  await fleet.replace(0, { env });
});
