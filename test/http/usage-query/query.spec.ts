/** The ledger added up: by whatever group, in whichever form, it is the ledger's own sums. */
import { randomUUID } from 'node:crypto';
import { uuidV7 } from '../../../src/platform/crypto/index.js';
import { reservation, settlement, startLedgerProcess, type LedgerProcess } from '../../support/ledger-process.js';
import { connectionTo } from '../../support/sql.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import type { Reservation, Settlement } from '../../../src/usage/index.js';
import { ownerOf, post } from '../orgs/people.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';
import { parseStrictCsv } from './strict-csv.js';

interface Row {
  readonly startTime?: string;
  readonly model?: string;
  readonly keyId?: string;
  readonly human?: string;
  readonly humanId?: string;
  readonly [measure: string]: string | undefined;
}
interface Page {
  readonly startTime: string;
  readonly endTime: string;
  readonly rows: Row[];
  readonly totals: Row;
  readonly nextPageToken: string;
}

const MEASURES = [
  'callCnt',
  'failedCallCnt',
  'requestCnt',
  'tokenCnt',
  'inputTokens',
  'outputTokens',
  'costMicros',
  'unpricedRequestCnt',
  'conversationalSeconds',
  'voiceSynthesisSeconds',
  'memoryMessageCnt',
] as const;
/** All ways to group by these, and some by more. */
const GROUPINGS = ['HUMAN', 'KEY', 'MODEL']
  .reduce<string[][]>((all, group) => [...all, ...all.map((groups) => [...groups, group])], [[], ['HOUR'], ['DAY']])
  .concat([
    ['PROVIDER'],
    ['GATEWAY', 'DAY'],
    ['OUTCOME', 'USER'],
    ['PROVIDER', 'GATEWAY', 'OUTCOME', 'USER', 'KEY', 'HOUR'],
  ]);

let service: TestService;
let ledger: LedgerProcess;
let dying: LedgerProcess;
let org: Org;
let key: string;
let keyId: string;

beforeAll(async () => {
  service = await startService({ settings: { requestsPerMinute: 1_000_000 } });
  // Its lease is renewed: the service would else sweep what is open, in the middle of some test.
  ledger = await startLedgerProcess(service.database.ownerUrl, {}, true);
  dying = await startLedgerProcess(service.database.ownerUrl);
  org = await service.seedOrg();
  ({ key, keyId } = await service.createKey(org, { scopes: ['usage:read', 'usage:write', 'humans:write'] }));
  await makeUsage();
});

afterAll(async () => {
  await ledger.stop();
  await dying.stop();
  await service.stop();
});

const HUMANS = ['ann@example.org', '=1+1', '👩‍👩‍👧‍👦 "the, family"'];

async function call(
  reserved: Partial<Reservation>,
  settled: Partial<Settlement> | null,
  by: LedgerProcess = ledger,
): Promise<string> {
  const id = uuidV7();
  await by.ledger.reserve(reservation({ id, tenantId: org.tenantId, ...reserved }));
  if (settled !== null) by.ledger.settle(settlement(id, { tenantId: org.tenantId, ...settled }));
  await by.ledger.flush();
  return id;
}

/** Of everything that the ledger can hold, some; over two months. */
async function makeUsage(): Promise<void> {
  const price = { inputPicoUsd: 2_500_000n, outputPicoUsd: 10_000_001n };
  for (const [index, human] of [...HUMANS, null].entries()) {
    for (const model of ['gpt-4o-mini', '@cf/model-1']) {
      await call(
        { human, model, keyId, price },
        { inputTokens: 10 + index, outputTokens: 7, costPicoUsd: 95_000_007n },
      );
      await call({ human, model, keyId: null, userId: 'ann' }, { inputTokens: 3 });
    }
    await call(
      { human, keyId: 'key_other' },
      { outcome: 'UPSTREAM_ERROR', inputTokens: 0, outputTokens: 0, counted: false },
    );
  }
  // Open: in no sum.
  await call({ human: HUMANS[0]!, keyId }, null);
  // Charged whole by the sweeper; the truth of one comes later.
  const swept = [];
  for (const human of HUMANS) swept.push(await call({ human, keyId, price }, null, dying));
  await service.sql('UPDATE process_leases SET ended_at = clock_timestamp() WHERE id = $1', [dying.lease.id]);
  await service.sql("SELECT sweep_usage('1 second', '1 day')");
  ledger.ledger.settle(
    settlement(swept[1]!, { tenantId: org.tenantId, inputTokens: 5, outputTokens: 6, costPicoUsd: 1n, counted: true }),
  );
  await ledger.ledger.flush();
  for (const type of ['conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt']) {
    for (const value of ['1.000001', '0.25']) {
      const body = { type, value, human: HUMANS[1], idempotency_key: randomUUID() };
      expect((await send('usage/report', body)).status).toBe(200);
    }
  }
  await service.sql(
    `UPDATE usage_records SET provider = CASE WHEN model = '@cf/model-1' THEN 'anthropic' ELSE provider END,
                              gateway_id = CASE WHEN key_id IS NULL THEN 'gw_1' END
     WHERE tenant_id = $1 AND state <> 'RESERVED'`,
    [org.tenantId],
  );
  await service.sql(
    `UPDATE usage_records SET created_at = date_trunc('day', now(), 'UTC') - interval '40 days' * random()
     WHERE tenant_id = $1 AND state <> 'RESERVED'`,
    [org.tenantId],
  );
}

const send = (route: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers: { 'x-api-key': key, ...headers }, body });
const LONG = { startTime: new Date(Date.now() - 200 * 24 * 3600_000).toISOString() };
async function query(body: object): Promise<Page> {
  const answer = await send('usage/query', { ...LONG, ...body });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer.json<Page>();
}
async function every(body: object): Promise<{ rows: Row[]; totals: Row }> {
  const rows: Row[] = [];
  let page: Page | undefined;
  do {
    page = await query({ pageSize: 7, ...body, pageToken: page?.nextPageToken ?? '' });
    rows.push(...page.rows);
  } while (page.nextPageToken !== '');
  return { rows, totals: page.totals };
}

/** Millionths as exact decimals, as Postgres writes them. */
const decimal = (column: string): string => `trim_scale(coalesce(sum(${column}), 0) / 1000000.0)::text`;

/** What the ledger itself says, in plain sums. */
async function plainSums(where = 'true', ofCalls = 'true'): Promise<Record<string, string>> {
  const [calls] = await service.sql<Record<string, string>>(
    `SELECT count(*) FILTER (WHERE kind = 'CALL')::text AS "callCnt",
            count(*) FILTER (WHERE kind = 'CALL' AND outcome IS DISTINCT FROM 'OK')::text AS "failedCallCnt",
            coalesce(sum(requests), 0)::text AS "requestCnt",
            coalesce(sum(input_tokens + output_tokens), 0)::text AS "tokenCnt",
            coalesce(sum(input_tokens), 0)::text AS "inputTokens", coalesce(sum(output_tokens), 0)::text AS "outputTokens",
            ${decimal('cost_pico_usd')} AS "costMicros",
            coalesce(sum(requests) FILTER (WHERE cost_pico_usd IS NULL), 0)::text AS "unpricedRequestCnt"
     FROM usage_records
     WHERE tenant_id = $1 AND kind IN ('CALL', 'ADJUSTMENT') AND state IN ('SETTLED', 'SWEPT') AND ${where} AND ${ofCalls}`,
    [org.tenantId],
  );
  const reports: Record<string, string> = {};
  for (const [name, type] of [
    ['conversationalSeconds', 'conversational_seconds'],
    ['voiceSynthesisSeconds', 'voice_synthesis_seconds'],
    ['memoryMessageCnt', 'memory_message_cnt'],
  ] as const) {
    const [row] = await service.sql<{ sum: string }>(
      `SELECT ${decimal('micro_units')} AS sum FROM usage_reports
       WHERE tenant_id = $1 AND type = $2 AND ${where} AND ${ofCalls === 'true' ? 'true' : 'false'}`,
      [org.tenantId, type],
    );
    reports[name] = row!.sum;
  }
  return { ...calls, ...reports };
}

/** Sums of decimals that a double would not tell exactly. */
function added(rows: readonly Row[], measure: string): bigint {
  return rows.reduce((sum, row) => {
    const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(row[measure]!) ?? [];
    return sum + BigInt(`${sign}${whole}${fraction.padEnd(6, '0')}`);
  }, 0n);
}

describe('the totals', () => {
  it('equal the ledger, and hold something of everything', async () => {
    const { totals } = await query({});
    expect(totals).toStrictEqual(await plainSums());
    for (const measure of MEASURES) expect(totals[measure]).not.toBe('0');
  });

  it.each(GROUPINGS.map((groups) => [groups.join(' and ') || 'nothing', groups] as const))(
    'are those of all rows, over all pages, grouped by %s',
    async (_, groupBy) => {
      const { rows, totals } = await every({ groupBy });
      expect(totals).toStrictEqual(await plainSums());
      for (const measure of MEASURES)
        expect([measure, added(rows, measure)]).toEqual([measure, added([totals], measure)]);
      const keys = rows.map((row) =>
        ['startTime', 'model', 'keyId', 'humanId', 'userId', 'provider', 'gatewayId', 'outcome']
          .map((one) => row[one])
          .join('|'),
      );
      expect(new Set(keys).size).toBe(rows.length);
    },
  );

  it.each([
    ['human', { human: HUMANS[1]! }, "human_id = (SELECT id FROM humans WHERE human = '=1+1')", 'true'],
    ['key', { keyId: 'key_other' }, "key_id = 'key_other'", 'true'],
    ['user', { userId: 'ann' }, "user_id = 'ann'", 'true'],
    ['model', { model: '@cf/model-1' }, 'true', "model = '@cf/model-1'"],
    ['provider', { provider: 'anthropic' }, 'true', "provider = 'anthropic'"],
    ['gateway', { gatewayId: 'gw_1' }, 'true', "gateway_id = 'gw_1'"],
    ['outcome', { outcome: 'UPSTREAM_ERROR' }, 'true', "outcome = 'UPSTREAM_ERROR'"],
  ])('of one %s are those of its part of the ledger', async (_name, filter, where, ofCalls) => {
    const { totals, rows } = await query({ ...filter, groupBy: [] });
    expect(totals).toStrictEqual(await plainSums(where, ofCalls));
    expect(rows).toEqual([totals]);
  });

  it('are 0 for an unknown human, without a row', async () => {
    const { totals, rows } = await query({ human: 'nobody', groupBy: ['DAY'] });
    expect(rows).toEqual([]);
    for (const measure of MEASURES) expect(totals[measure]).toBe('0');
  });

  it('are of the time that is asked for: from its first moment, before its last', async () => {
    const [row] = await service.sql<{ at: Date }>(
      "SELECT min(created_at) AS at FROM usage_records WHERE tenant_id = $1 AND requests = 1 AND kind = 'CALL'",
      [org.tenantId],
    );
    const at = row!.at.getTime();
    const of = async (from: number, before: number): Promise<string | undefined> =>
      (await query({ startTime: new Date(from).toISOString(), endTime: new Date(before).toISOString() })).totals[
        'requestCnt'
      ];
    expect([await of(at, at + 1), await of(at + 1, at + 2), await of(at - 1, at)]).toEqual(['1', '0', '0']);
  });

  it('are of the last 30 days where nothing is said, up to what was just reported', async () => {
    const before = (await send('usage/query', {})).json<Page>();
    await send('usage/report', { type: 'memory_message_cnt', value: 1, human: 'x', idempotency_key: randomUUID() });
    const after = (await send('usage/query', {})).json<Page>();
    expect(Date.parse(after.endTime) - Date.parse(after.startTime)).toBe(30 * 24 * 3600_000);
    expect(added([after.totals], 'memoryMessageCnt') - added([before.totals], 'memoryMessageCnt')).toBe(1_000_000n);
  });
});

describe('rows', () => {
  it('name what they are grouped by and nothing else; the latest hour or day comes first', async () => {
    const byDay = await every({ groupBy: ['DAY', 'MODEL'] });
    for (const row of byDay.rows) {
      expect(row.startTime).toMatch(/T00:00:00\.000Z$/);
      expect(row).not.toHaveProperty('humanId');
      expect(row).not.toHaveProperty('keyId');
    }
    const times = byDay.rows.map(({ startTime }) => startTime!);
    expect(times).toEqual([...times].sort().reverse());
    const byHour = await every({ groupBy: ['HOUR'] });
    for (const { startTime } of byHour.rows) expect(startTime).toMatch(/:00:00\.000Z$/);
    const { rows } = await every({ groupBy: ['HUMAN', 'KEY'] });
    expect(rows).toContainEqual(expect.objectContaining({ human: '=1+1', keyId: 'key_other', requestCnt: '0' }));
    expect(rows.some((row) => !('humanId' in row) && !('keyId' in row))).toBe(true);
  });

  it('keep their time from page to page, though usage goes on', async () => {
    const first = await query({ groupBy: ['HUMAN', 'MODEL', 'DAY'], pageSize: 3 });
    await call({ human: 'meanwhile', keyId }, {});
    const second = await query({ groupBy: ['HUMAN', 'MODEL', 'DAY'], pageSize: 3, pageToken: first.nextPageToken });
    expect([second.startTime, second.endTime, second.totals]).toEqual([first.startTime, first.endTime, first.totals]);
  });

  it('of an erased human have the id alone', async () => {
    await call({ human: 'erased-soon', keyId }, {});
    const [row] = (await query({ groupBy: ['HUMAN'], human: 'erased-soon' })).rows;
    expect(row).toMatchObject({ human: 'erased-soon', humanId: expect.stringMatching(/^hum_/) as string });
    expect((await send('humans/delete', { human: 'erased-soon' })).status).toBe(200);
    const { human: _gone, ...rest } = row!;
    expect((await every({ groupBy: ['HUMAN'] })).rows).toContainEqual(rest);
    expect((await query({ human: 'erased-soon' })).rows).toEqual([]);
  });
});

describe('hours and days', () => {
  it.each([
    ['Europe/Berlin', 'DAY', 1],
    ['America/St_Johns', 'DAY', 1],
    ['Asia/Kathmandu', 'HOUR', 24],
  ])('begin by the clock of %s', async (timeZone, unit, _many) => {
    const { rows } = await every({ groupBy: [unit], timeZone });
    const clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', second: '2-digit' });
    const begin = unit === 'DAY' ? '00:00:00' : expect.stringMatching(/:00:00$/);
    expect(rows.length).toBeGreaterThan(1);
    for (const { startTime } of rows) expect(clock.format(new Date(startTime!))).toEqual(begin);
    const unitOf = unit.toLowerCase();
    const plain = await service.sql<{ at: Date }>(
      `SELECT DISTINCT date_trunc($3, created_at, $2) AS at FROM usage_records
       WHERE tenant_id = $1 AND state <> 'RESERVED' UNION
       SELECT DISTINCT date_trunc($3, created_at, $2) FROM usage_reports WHERE tenant_id = $1 AND created_at > '2026-01-01'
       ORDER BY at DESC`,
      [org.tenantId, timeZone, unitOf],
    );
    expect(rows.map(({ startTime }) => startTime)).toEqual(plain.map(({ at }) => at.toISOString()));
  });

  it.each([
    ['the days of a change to winter time', 'DAY', '2025-10-24T22:00:00Z', '2025-10-28T23:00:00Z', 4],
    ['the hours of a day of 25', 'HOUR', '2025-10-25T22:00:00Z', '2025-10-26T23:00:00Z', 25],
    ['a day that has only begun', 'DAY', '2025-10-25T10:00:00Z', '2025-10-25T22:00:00.001Z', 2],
  ])('are all there, with 0, where asked: %s', async (_name, unit, startTime, endTime, count) => {
    const body = { startTime, endTime, groupBy: [unit], timeZone: 'Europe/Berlin' };
    expect((await query({ ...body, fill: true })).rows).toEqual([]);
    await service.sql(
      `INSERT INTO usage_reports (id, tenant_id, human_id, type, micro_units, idempotency_key, created_at)
       VALUES (gen_random_uuid(), $1, 'hum_filled', 'memory_message_cnt', 3000000, $2, $3)`,
      [org.tenantId, randomUUID(), startTime],
    );
    const { rows, totals } = await query({ ...body, fill: true, pageSize: 500 });
    expect(new Set(rows.map((row) => row.startTime)).size).toBe(count);
    expect(rows).toHaveLength(count);
    expect(added(rows, 'memoryMessageCnt')).toBe(added([totals], 'memoryMessageCnt'));
    expect(rows.filter((row) => row['memoryMessageCnt'] === '0')).toHaveLength(count - 1);
    await service.sql("DELETE FROM usage_reports WHERE tenant_id = $1 AND human_id = 'hum_filled'", [org.tenantId]);
  });

  it('are filled for each group, on every page', async () => {
    const { rows, totals } = await every({ groupBy: ['DAY', 'MODEL'], fill: true, pageSize: 100 });
    const days = new Set(rows.map(({ startTime }) => startTime)).size;
    const models = new Set(rows.map(({ model }) => model)).size;
    expect(rows).toHaveLength(days * models);
    expect(days).toBe(201);
    expect(totals).toStrictEqual(await plainSums());
  });
});

describe('the largest groups alone', () => {
  it.each([
    ['COST', 'costMicros'],
    ['TOKENS', 'tokenCnt'],
    ['REQUESTS', 'requestCnt'],
  ])('are named by %s, and all others are one row', async (topBy, measure) => {
    const all = (await every({ groupBy: ['HUMAN', 'MODEL'] })).rows;
    const { rows, totals } = await every({ groupBy: ['HUMAN', 'MODEL'], top: 2, topBy });
    expect(totals).toStrictEqual(await plainSums());
    expect(rows).toHaveLength(3);
    expect(rows.at(-1)).toMatchObject({ other: true });
    for (const one of ['model', 'humanId', 'human']) expect(rows.at(-1)).not.toHaveProperty(one);
    const largest = all.map((row) => added([row], measure)).sort((a, b) => Number(b - a));
    expect(
      rows
        .slice(0, 2)
        .map((row) => added([row], measure))
        .sort((a, b) => Number(b - a)),
    ).toEqual(largest.slice(0, 2));
    for (const one of MEASURES) expect([one, added(rows, one)]).toEqual([one, added([totals], one)]);
  });

  it('are the same in each day', async () => {
    const { rows } = await every({ groupBy: ['HUMAN', 'DAY'], top: 1, fill: true, pageSize: 100 });
    expect(new Set(rows.filter(({ other }) => other === undefined).map(({ humanId }) => humanId)).size).toBe(1);
    expect(rows).toHaveLength(2 * 201);
  });
});

it('names stand beside the ids of keys and gateways that exist', async () => {
  const { rows } = await every({ groupBy: ['KEY'] });
  expect(rows.find((row) => row.keyId === keyId)).toHaveProperty('keyName');
  expect(rows.find((row) => row.keyId === 'key_other')).not.toHaveProperty('keyName');
});

describe('CSV', () => {
  it('is the same table, whole, by RFC 4180, with nothing in it that a spreadsheet would run', async () => {
    const groupBy = ['HUMAN', 'MODEL', 'KEY', 'DAY'];
    const answer = await send('usage/query', { ...LONG, groupBy, format: 'CSV' });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(answer.headers['content-disposition']).toMatch(/^attachment; filename="usage-[\d-]{10}-[\d-]{10}\.csv"$/);
    const [header, ...lines] = parseStrictCsv(answer.text);
    expect(header).toEqual(['startTime', 'model', 'keyId', 'keyName', 'humanId', 'human', ...MEASURES]);
    const read = lines.map((cells) => Object.fromEntries(cells.map((cell, index) => [header![index]!, cell])));
    const cells = read.flatMap((row) => ['model', 'keyId', 'humanId', 'human'].map((column) => row[column]!));
    expect(cells.filter((cell) => /^[=+\-@\t\r\n]/.test(cell))).toEqual([]);
    expect(cells).toEqual(expect.arrayContaining(["'=1+1", "'@cf/model-1", HUMANS[2]]));
    const { rows } = await every({ groupBy });
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
    await call({ human, keyId }, {});
    const answer = await send('usage/query', { groupBy: ['HUMAN'], human, format: 'CSV' });
    const cell = parseStrictCsv(answer.text)[1]![1]!;
    expect(cell).toBe(/^[=+\-@\t\r\n]/.test(human) ? `'${human}` : human);
  });

  it('leaves a sum below 0 a number', async () => {
    const [row] = await service.sql<{ at: Date }>(
      "SELECT created_at AS at FROM usage_records WHERE tenant_id = $1 AND kind = 'ADJUSTMENT'",
      [org.tenantId],
    );
    const [startTime, endTime] = [0, 1].map((ms) => new Date(row!.at.getTime() + ms).toISOString());
    const answer = await send('usage/query', { startTime, endTime, format: 'CSV' });
    const [header, line] = parseStrictCsv(answer.text);
    expect(line![header!.indexOf('tokenCnt')]).toMatch(/^-\d+$/);
  });

  it('is refused where it would have more rows than a table may, and says how many that is', async () => {
    await service.sql(
      `INSERT INTO usage_reports (id, tenant_id, human_id, type, micro_units, idempotency_key, created_at)
       SELECT gen_random_uuid(), $1, 'hum_' || n, 'memory_message_cnt', 1, 'k' || n, '2020-01-01T00:00:00Z'
       FROM generate_series(1, 50001) AS n`,
      [org.tenantId],
    );
    const body = { startTime: '2020-01-01T00:00:00Z', groupBy: ['HUMAN'], format: 'CSV' };
    const long = await send('usage/query', { ...body, endTime: '2020-01-01T00:00:01Z' });
    expect(platformError(long, 400)).toMatchObject({
      details: [{ reason: expect.stringContaining('50000') as string }],
    });
    await service.sql("DELETE FROM usage_reports WHERE human_id = 'hum_1' AND tenant_id = $1", [org.tenantId]);
    const fits = await send('usage/query', { ...body, endTime: '2020-01-01T00:00:01Z' });
    expect(parseStrictCsv(fits.text)).toHaveLength(50_001);
  });
});

it('what takes too long to add up is told so, and costs no connection', async () => {
  const blocker = connectionTo(service.database.superuserUrl);
  await blocker.connect();
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE usage_reports IN ACCESS EXCLUSIVE MODE');
  try {
    expect(fieldsOf(platformError(await send('usage/query', {}), 400))).toEqual(['startTime']);
  } finally {
    await blocker.end();
  }
  expect((await send('usage/query', {})).status).toBe(200);
});

it.each([
  { endTime: '0001-01-01T00:00:00.001Z' },
  { startTime: '9999-12-31T00:00:00Z', endTime: '9999-12-31T23:59:59.999Z' },
])('takes a time however far away: %j', async (time) => {
  for (const format of ['JSON', 'CSV']) expect((await send('usage/query', { ...time, format })).status).toBe(200);
});

describe('what is refused', () => {
  it.each([
    ['startTime', { startTime: 'yesterday' }],
    ['startTime', { startTime: '2999-01-01T00:00:00Z' }],
    ['endTime', { endTime: '0001-01-01T00:00:00Z' }],
    ['endTime', { startTime: '2026-01-02T00:00:00Z', endTime: '2026-01-02T00:00:00Z' }],
    ['startTime', { startTime: '2024-01-01T00:00:00Z', endTime: '2025-01-02T00:00:01Z' }],
    ['groupBy.0', { groupBy: ['COUNTRY'] }],
    ['timeZone', { timeZone: '+02:00' }],
    ['timeZone', { timeZone: 'Europe/Atlantis' }],
    ['fill', { fill: true, groupBy: ['MODEL'] }],
    ['top', { top: 101 }],
    ['topBy', { topBy: 'LATENCY' }],
    ['groupBy', { groupBy: ['HUMAN', 'HUMAN'] }],
    ['groupBy', { groupBy: ['HOUR', 'DAY'] }],
    ['groupBy', { groupBy: 'HUMAN' }],
    ['groupBy.0', { groupBy: [0] }],
    ['format', { format: 'XLSX' }],
    ['human', { human: 'a\0' }],
    ['pageSize', { pageSize: 501 }],
    ['pageToken', { pageToken: 'forged' }],
    ['pageToken', { pageToken: 'x', format: 'CSV' }],
    ['tenantId', { tenantId: 'other' }],
  ])('a bad %s', async (field, body) => {
    expect(fieldsOf(await expectPlatformRefusal(service, () => send('usage/query', body), 400))).toEqual([field]);
  });

  it('a page token of another query, or of another tenant', async () => {
    const { nextPageToken: pageToken } = await query({ groupBy: ['MODEL'], pageSize: 1 });
    const others = { ...LONG, pageToken, pageSize: 1 };
    platformError(await send('usage/query', { ...others, groupBy: ['KEY'] }), 400);
    platformError(await send('usage/query', { ...others, groupBy: ['MODEL'], keyId }), 400);
    const stranger = ownerOf(await service.seedOrg());
    platformError(await post(service, stranger, 'usage/query', { ...others, groupBy: ['MODEL'] }), 400);
  });

  it('a caller who acts as a human, and a key that may not read usage', async () => {
    const { key: all } = await service.createKey(org, { scopes: ['usage:read', 'users:impersonate'] });
    const as = (by: string, headers: Record<string, string> = {}) =>
      send('usage/query', {}, { 'x-api-key': by, ...headers });
    platformError(await as(all, { 'x-on-behalf-of': HUMANS[0]! }), 403);
    platformError(await as((await service.createKey(org, { scopes: ['usage:write'] })).key), 403);
    expect((await as(all)).status).toBe(200);
  });
});

it("shows another tenant nothing, by the same humans' names or by ours", async () => {
  const stranger = ownerOf(await service.seedOrg());
  const all = await service.asUser<Page>(stranger, 'usage/query', { ...LONG, groupBy: ['HUMAN', 'KEY', 'MODEL'] });
  expect(all.rows).toEqual([]);
  for (const body of [{ human: HUMANS[0] }, { keyId }, { model: 'gpt-4o-mini' }]) {
    const { totals } = await service.asUser<Page>(stranger, 'usage/query', { ...LONG, ...body });
    for (const measure of MEASURES) expect(totals[measure]).toBe('0');
  }
});
