/** The ledger as a table for spreadsheets, and sums that take too long. */
import { connectionTo } from '../../support/sql.js';
import type { Org, TestService } from '../../support/service.js';
import { fieldsOf, platformError } from '../refusals.js';
import { parseStrictCsv } from './strict-csv.js';
import { HUMANS, LONG, MEASURES, UsageWorld } from './usage-world.js';

let world: UsageWorld;
let service: TestService;
let org: Org;
let keyId: string;

beforeAll(async () => {
  world = await UsageWorld.start();
  ({ service, org, keyId } = world);
});

afterAll(() => world.stop());

describe('CSV', () => {
  it('is the same table, complete, by RFC 4180, without a cell that a spreadsheet would run', async () => {
    const groupBy = ['HUMAN', 'MODEL', 'KEY', 'DAY'];
    const answer = await world.send('usage/query', { ...LONG, groupBy, format: 'CSV' });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(answer.headers['content-disposition']).toMatch(/^attachment; filename="usage-[\d-]{10}-[\d-]{10}\.csv"$/);
    const [header, ...lines] = parseStrictCsv(answer.text);
    expect(header).toEqual(['startTime', 'model', 'keyId', 'keyName', 'humanId', 'human', ...MEASURES]);
    const read = lines.map((cells) => Object.fromEntries(cells.map((cell, index) => [header![index]!, cell])));
    const cells = read.flatMap((row) => ['model', 'keyId', 'humanId', 'human'].map((column) => row[column]!));
    expect(cells.filter((cell) => /^[=+\-@\t\r\n]/.test(cell))).toEqual([]);
    expect(cells).toEqual(expect.arrayContaining(["'=1+1", "'@cf/model-1", HUMANS[2]]));
    const { rows } = await world.every({ groupBy });
    const plain = (value: string | undefined): string => (value ?? '').replace(/^'(?=[=@])/, '');
    expect(read.map((row) => header!.map((column) => plain(row[column])))).toEqual(
      rows.map((row) => header!.map((column) => row[column] ?? '')),
    );
  });

  it.each([
    ['=HYPERLINK("http://evil.example","x")'],
    ['+1'],
    ['-1+1'],
    ['@SUM(A1)'],
    ['\t=1'],
    ['\r=1'],
    ['\n=1'],
    [',=1'],
    ['"=1"'],
    ["'=1"],
  ])('holds the human %j as text', async (human) => {
    await world.call({ human, keyId }, {});
    const answer = await world.send('usage/query', { groupBy: ['HUMAN'], human, format: 'CSV' });
    const cell = parseStrictCsv(answer.text)[1]![1]!;
    expect(cell).toBe(/^[=+\-@\t\r\n]/.test(human) ? `'${human}` : human);
  });

  it('leaves a sum below 0 a number', async () => {
    const [row] = await service.sql<{ at: Date }>(
      "SELECT created_at AS at FROM usage_records WHERE tenant_id = $1 AND kind = 'ADJUSTMENT'",
      [org.tenantId],
    );
    const [startTime, endTime] = [0, 1].map((ms) => new Date(row!.at.getTime() + ms).toISOString());
    const answer = await world.send('usage/query', { startTime, endTime, format: 'CSV' });
    const [header, line] = parseStrictCsv(answer.text);
    expect(line![header!.indexOf('tokenCnt')]).toMatch(/^-\d+$/);
  });

  it('is refused where it would have more rows than a table may, with their number', async () => {
    await service.sql(
      `INSERT INTO usage_reports (id, tenant_id, human_id, type, micro_units, idempotency_key, created_at)
       SELECT gen_random_uuid(), $1, 'hum_' || n, 'memory_message_cnt', 1, 'k' || n, '2020-01-01T00:00:00Z'
       FROM generate_series(1, 50001) AS n`,
      [org.tenantId],
    );
    const body = { startTime: '2020-01-01T00:00:00Z', groupBy: ['HUMAN'], format: 'CSV' };
    const long = await world.send('usage/query', { ...body, endTime: '2020-01-01T00:00:01Z' });
    expect(platformError(long, 400)).toMatchObject({
      details: [{ reason: expect.stringContaining('50000') as string }],
    });
    await service.sql("DELETE FROM usage_reports WHERE human_id = 'hum_1' AND tenant_id = $1", [org.tenantId]);
    const fits = await world.send('usage/query', { ...body, endTime: '2020-01-01T00:00:01Z' });
    expect(parseStrictCsv(fits.text)).toHaveLength(50_001);
  });
});

it('sums that take too long are refused as such, and cost no connection', async () => {
  const blocker = connectionTo(service.database.superuserUrl);
  await blocker.connect();
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE usage_reports IN ACCESS EXCLUSIVE MODE');
  try {
    expect(fieldsOf(platformError(await world.send('usage/query', {}), 400))).toEqual(['startTime']);
  } finally {
    await blocker.end();
  }
  expect((await world.send('usage/query', {})).status).toBe(200);
});
