/** The tenant's log of calls: each filter, the bounds of its time, page by page. */
import { fieldsOf, platformError } from '../refusals.js';
import { UsageWorld } from './usage-world.js';

interface Call {
  readonly callId: string;
  readonly createdAt: string;
  readonly status: string;
  readonly outcome: string;
  readonly provider: string;
  readonly model: string;
  readonly keyId?: string;
  readonly human?: string;
  readonly gatewayId?: string;
}
interface Page {
  readonly calls: Call[];
  readonly nextPageToken: string;
}

let world: UsageWorld;
let all: Call[];

beforeAll(async () => {
  world = await UsageWorld.start();
  all = (await listed({ pageSize: 500 })).calls;
});

afterAll(() => world.stop());

const listed = async (filter: object): Promise<Page> => (await world.send('usage/list-calls', filter)).json<Page>();
const idsOf = (calls: readonly Call[]): string[] => calls.map(({ callId }) => callId);

it('has every call of the ledger that is over, newest first, over all pages', async () => {
  const [row] = await world.service.sql<{ n: string }>(
    "SELECT count(*) AS n FROM usage_records WHERE tenant_id = $1 AND kind = 'CALL' AND state <> 'RESERVED'",
    [world.org.tenantId],
  );
  expect(all).toHaveLength(Number(row!.n));
  expect(all.length).toBeGreaterThan(5);
  const times = all.map(({ createdAt }) => Date.parse(createdAt));
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  const paged: string[] = [];
  for (let pageToken = ''; ;) {
    const page = await listed({ pageSize: 2, pageToken });
    paged.push(...idsOf(page.calls));
    if (page.nextPageToken === '') break;
    pageToken = page.nextPageToken;
  }
  expect(paged).toEqual(idsOf(all));
});

it.each(['status', 'outcome', 'provider', 'model', 'keyId', 'human', 'gatewayId'] as const)(
  'has those of one %s alone',
  async (field) => {
    const values = new Set(all.map((call) => call[field]).filter((value) => value !== undefined));
    expect(values.size).toBeGreaterThan(0);
    for (const value of values) {
      const { calls } = await listed({ [field]: value, pageSize: 500 });
      expect([value, idsOf(calls)]).toEqual([value, idsOf(all.filter((call) => call[field] === value))]);
    }
  },
);

it('has those from startTime on and before endTime, and knows no other word for either', async () => {
  const [row] = await world.service.sql<{ at: string; next: string }>(
    `SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
       to_char(created_at AT TIME ZONE 'UTC' + interval '1 millisecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS next
     FROM usage_records WHERE id = $1`,
    [all[0]!.callId],
  );
  const { at, next } = row!;
  expect(idsOf((await listed({ startTime: at })).calls)).toContain(all[0]!.callId);
  expect(idsOf((await listed({ startTime: at, endTime: next })).calls)).toContain(all[0]!.callId);
  expect(idsOf((await listed({ endTime: at, pageSize: 500 })).calls)).not.toContain(all[0]!.callId);
  expect(fieldsOf(platformError(await world.send('usage/list-calls', { from: at }), 400))).toEqual(['from']);
});
