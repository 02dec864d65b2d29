import { mock } from 'node:test';
import {
  ledgerRows,
  makeLedgerTenant,
  reservation,
  settlement,
  startLedgerProcess,
} from '../../../test/support/ledger-process.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { rowsOf } from '../../../test/support/sql.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { Jobs } from '../../platform/jobs/index.js';
import { LedgerPartitions } from './ledger-partitions.js';

const DAY_MS = 86_400_000;

let database: TestDatabase;
let one: Awaited<ReturnType<typeof startLedgerProcess>>;
let partitions: LedgerPartitions;

beforeEach(async () => {
  database = await createTestDatabase();
  await makeLedgerTenant(database.superuserUrl);
  one = await startLedgerProcess(database.ownerUrl);
  partitions = new LedgerPartitions(one.database, new Jobs());
});

afterEach(async () => {
  mock.restoreAll();
  await one.stop();
  await database.drop();
});

const sql = (text: string, values: unknown[] = []) =>
  rowsOf<Record<string, unknown>>(database.superuserUrl, text, values);

async function names(): Promise<unknown[]> {
  const rows = await sql(
    "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'usage_records'::regclass ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}

async function partitionOf(id: string): Promise<unknown> {
  const [row] = await sql('SELECT tableoid::regclass::text AS name FROM usage_records WHERE id = $1', [id]);
  return row?.['name'];
}

function turnClock(byMs: number): void {
  const realNow = Date.now.bind(Date);
  mock.method(Date, 'now', () => realNow() + byMs);
}

/** The id of a call at that time. */
function idAt(at: Date): string {
  mock.method(Date, 'now', () => at.getTime());
  const id = uuidV7();
  mock.restoreAll();
  return id;
}

describe("the ledger's partitions", () => {
  it('are made for yesterday, this month and the next two, by a process that may not make a table, and once', async () => {
    for (const name of await names()) await sql(`DROP TABLE ${String(name)}`);
    expect(await names()).toEqual([]);

    const rival = new LedgerPartitions(one.database, new Jobs());
    await Promise.all([partitions.onApplicationBootstrap(), rival.onApplicationBootstrap()]);
    const months = await sql(
      `SELECT 'usage_records_' || to_char(at AT TIME ZONE 'UTC', 'YYYYMM') AS name
       FROM (SELECT now() - interval '1 day' AS at
             UNION ALL SELECT date_trunc('month', now(), 'UTC') + n * interval '31 days' FROM generate_series(0, 2) AS n) AS t
       GROUP BY 1 ORDER BY 1`,
    );
    expect(await names()).toEqual(months.map(({ name }) => name));
  });

  it.each([
    ['a year', '2027-12-31', '2028-01-01'],
    ['a leap February', '2028-02-29', '2028-03-01'],
  ])('leave no gap between them, at the end of %s too', async (_what, lastDay, firstDay) => {
    for (const day of [lastDay, firstDay]) await sql('SELECT add_usage_partition($1)', [`${day}T00:00:00Z`]);
    const nextMonth = Date.parse(`${firstDay}T00:00:00Z`);
    const [last, first] = [idAt(new Date(nextMonth - 1)), idAt(new Date(nextMonth))];
    for (const id of [last, first]) await one.ledger.reserve(reservation({ id }));
    const nameOf = (day: string): string => `usage_records_${day.slice(0, 7).replace('-', '')}`;
    expect([await partitionOf(last), await partitionOf(first)]).toEqual([nameOf(lastDay), nameOf(firstDay)]);
  });

  it('are made while calls are under way: neither waits for the other', async () => {
    const [month] = await sql("SELECT 'usage_records_203001' AS name");
    const reserving = one.ledger.reserve(reservation());
    await Promise.all([reserving, sql("SELECT add_usage_partition('2030-01-15Z')")]);
    expect(await names()).toContain(month!['name']);
  });

  it('keep the correction of a call beside it, and single', async () => {
    await sql("SELECT add_usage_partition('2027-11-15Z')");
    const id = idAt(new Date('2027-11-30T23:59:59.999Z'));
    await one.ledger.reserve(reservation({ id }));
    await sql("UPDATE usage_records SET state = 'SWEPT' WHERE id = $1", [id]);
    for (let told = 0; told < 3; told += 1) {
      one.ledger.settle(settlement(id));
      await one.ledger.flush();
    }

    const rows = await ledgerRows(database.superuserUrl, id);
    expect(rows.map(({ kind, adjusts }) => [kind, adjusts])).toEqual([
      ['CALL', null],
      ['ADJUSTMENT', id],
    ]);
    expect(rows[1]!.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8/);
    expect(rows[1]!.id.slice(0, 13)).toBe(id.slice(0, 13));
    expect(await partitionOf(rows[1]!.id)).toBe('usage_records_202711');
  });
});

describe("a process's clock", () => {
  it('that is a few seconds off does no harm', async () => {
    turnClock(40_000);
    await partitions.onApplicationBootstrap();
  });

  it.each([
    ['ahead', 90_000],
    ['behind', -90_000],
  ])('that is more than a minute %s keeps it from starting, in one sentence with both times', async (_way, byMs) => {
    turnClock(byMs);
    const error: unknown = await partitions.onApplicationBootstrap().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OperatorError);
    expect((error as Error).message).toMatch(
      /^This machine's clock says \d{4}-\S+Z and the database's says \d{4}-\S+Z: set them by NTP to at most 60 seconds apart, and start again\.$/,
    );
    const [ours, theirs] = (error as Error).message.match(/\d{4}-\S+Z/g)!.map((text) => Date.parse(text));
    expect(Math.abs(ours! - theirs! - byMs)).toBeLessThan(20_000);
  });

  it('that is far off later refuses calls as unavailable, and records none', async () => {
    turnClock(3650 * DAY_MS);
    await expect(one.ledger.reserve(reservation())).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'The usage ledger takes no calls at this time; try again shortly.',
    });
    mock.restoreAll();
    await one.ledger.flush();
    expect(await sql('SELECT 1 FROM usage_records')).toEqual([]);
  });
});
