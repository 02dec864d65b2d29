/** Sums of the ledger: whatever the group, they equal the ledger's own. */
import { randomUUID } from 'node:crypto';
import type { Org, TestService } from '../../support/service.js';
import { ownerOf, post } from '../orgs/people.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';
import { HUMANS, LONG, MEASURES, UsageWorld, type Page, type Row } from './usage-world.js';

/** All combinations of these groups, and some with more. */
const GROUPINGS = ['HUMAN', 'KEY', 'MODEL']
  .reduce<string[][]>((all, group) => [...all, ...all.map((groups) => [...groups, group])], [[], ['HOUR'], ['DAY']])
  .concat([
    ['PROVIDER'],
    ['GATEWAY', 'DAY'],
    ['OUTCOME', 'USER'],
    ['PROVIDER', 'GATEWAY', 'OUTCOME', 'USER', 'KEY', 'HOUR'],
  ]);

let world: UsageWorld;
let service: TestService;
let org: Org;
let keyId: string;

beforeAll(async () => {
  world = await UsageWorld.start();
  ({ service, org, keyId } = world);
});

afterAll(() => world.stop());

/** Sums of decimals that a double can't represent exactly. */
function added(rows: readonly Row[], measure: string): bigint {
  return rows.reduce((sum, row) => {
    const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(row[measure]!) ?? [];
    return sum + BigInt(`${sign}${whole}${fraction.padEnd(6, '0')}`);
  }, 0n);
}

describe('the totals', () => {
  it('equal the ledger, and include some of everything', async () => {
    const { totals } = await world.query({});
    expect(totals).toStrictEqual(await world.plainSums());
    for (const measure of MEASURES) expect(totals[measure]).not.toBe('0');
  });

  it.each(GROUPINGS.map((groups) => [groups.join(' and ') || 'nothing', groups] as const))(
    'are those of all rows, over all pages, grouped by %s',
    async (_, groupBy) => {
      const { rows, totals } = await world.every({ groupBy });
      expect(totals).toStrictEqual(await world.plainSums());
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
  ])('of one %s equal those of its part of the ledger', async (_name, filter, where, ofCalls) => {
    const { totals, rows } = await world.query({ ...filter, groupBy: [] });
    expect(totals).toStrictEqual(await world.plainSums(where, ofCalls));
    expect(rows).toEqual([totals]);
  });

  it('are 0 for an unknown human, without a row', async () => {
    const { totals, rows } = await world.query({ human: 'nobody', groupBy: ['DAY'] });
    expect(rows).toEqual([]);
    for (const measure of MEASURES) expect(totals[measure]).toBe('0');
  });

  it('cover the requested time: from its first moment, before its last', async () => {
    const [row] = await service.sql<{ at: Date }>(
      "SELECT min(created_at) AS at FROM usage_records WHERE tenant_id = $1 AND requests = 1 AND kind = 'CALL'",
      [org.tenantId],
    );
    const at = row!.at.getTime();
    const of = async (from: number, before: number): Promise<string | undefined> =>
      (await world.query({ startTime: new Date(from).toISOString(), endTime: new Date(before).toISOString() })).totals[
        'requestCnt'
      ];
    expect([await of(at, at + 1), await of(at + 1, at + 2), await of(at - 1, at)]).toEqual(['1', '0', '0']);
  });

  it('cover the last 30 days by default, up to what was just reported', async () => {
    const before = (await world.send('usage/query', {})).json<Page>();
    await world.send('usage/report', {
      type: 'memory_message_cnt',
      value: 1,
      human: 'x',
      idempotency_key: randomUUID(),
    });
    const after = (await world.send('usage/query', {})).json<Page>();
    expect(Date.parse(after.endTime) - Date.parse(after.startTime)).toBe(30 * 24 * 3600_000);
    expect(added([after.totals], 'memoryMessageCnt') - added([before.totals], 'memoryMessageCnt')).toBe(1_000_000n);
  });
});

describe('rows', () => {
  it('have the fields of their groups and no others; the latest hour or day comes first', async () => {
    const byDay = await world.every({ groupBy: ['DAY', 'MODEL'] });
    for (const row of byDay.rows) {
      expect(row.startTime).toMatch(/T00:00:00\.000Z$/);
      expect(row).not.toHaveProperty('humanId');
      expect(row).not.toHaveProperty('keyId');
    }
    const times = byDay.rows.map(({ startTime }) => startTime!);
    expect(times).toEqual([...times].sort().reverse());
    const byHour = await world.every({ groupBy: ['HOUR'] });
    for (const { startTime } of byHour.rows) expect(startTime).toMatch(/:00:00\.000Z$/);
    const { rows } = await world.every({ groupBy: ['HUMAN', 'KEY'] });
    expect(rows).toContainEqual(expect.objectContaining({ human: '=1+1', keyId: 'key_other', requestCnt: '0' }));
    expect(rows.some((row) => !('humanId' in row) && !('keyId' in row))).toBe(true);
  });

  it('keep their time range from page to page, although usage continues', async () => {
    const first = await world.query({ groupBy: ['HUMAN', 'MODEL', 'DAY'], pageSize: 3 });
    await world.call({ human: 'meanwhile', keyId }, {});
    const second = await world.query({
      groupBy: ['HUMAN', 'MODEL', 'DAY'],
      pageSize: 3,
      pageToken: first.nextPageToken,
    });
    expect([second.startTime, second.endTime, second.totals]).toEqual([first.startTime, first.endTime, first.totals]);
  });

  it('of an erased human have the id only', async () => {
    await world.call({ human: 'erased-soon', keyId }, {});
    const [row] = (await world.query({ groupBy: ['HUMAN'], human: 'erased-soon' })).rows;
    expect(row).toMatchObject({ human: 'erased-soon', humanId: expect.stringMatching(/^hum_/) as string });
    expect((await world.send('humans/delete', { human: 'erased-soon' })).status).toBe(200);
    const { human: _gone, ...rest } = row!;
    expect((await world.every({ groupBy: ['HUMAN'] })).rows).toContainEqual(rest);
    expect((await world.query({ human: 'erased-soon' })).rows).toEqual([]);
  });
});

describe('hours and days', () => {
  it.each([
    ['Europe/Berlin', 'DAY', 1],
    ['America/St_Johns', 'DAY', 1],
    ['Asia/Kathmandu', 'HOUR', 24],
  ])('begin by the clock of %s', async (timeZone, unit, _many) => {
    const { rows } = await world.every({ groupBy: [unit], timeZone });
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
  ])('are all there, with 0, where requested: %s', async (_name, unit, startTime, endTime, count) => {
    const body = { startTime, endTime, groupBy: [unit], timeZone: 'Europe/Berlin' };
    expect((await world.query({ ...body, fill: true })).rows).toEqual([]);
    await service.sql(
      `INSERT INTO usage_reports (id, tenant_id, human_id, type, micro_units, idempotency_key, created_at)
       VALUES (gen_random_uuid(), $1, 'hum_filled', 'memory_message_cnt', 3000000, $2, $3)`,
      [org.tenantId, randomUUID(), startTime],
    );
    const { rows, totals } = await world.query({ ...body, fill: true, pageSize: 500 });
    expect(new Set(rows.map((row) => row.startTime)).size).toBe(count);
    expect(rows).toHaveLength(count);
    expect(added(rows, 'memoryMessageCnt')).toBe(added([totals], 'memoryMessageCnt'));
    expect(rows.filter((row) => row['memoryMessageCnt'] === '0')).toHaveLength(count - 1);
    await service.sql("DELETE FROM usage_reports WHERE tenant_id = $1 AND human_id = 'hum_filled'", [org.tenantId]);
  });

  it('are filled for each group, on every page', async () => {
    const { rows, totals } = await world.every({ groupBy: ['DAY', 'MODEL'], fill: true, pageSize: 100 });
    const days = new Set(rows.map(({ startTime }) => startTime)).size;
    const models = new Set(rows.map(({ model }) => model)).size;
    expect(rows).toHaveLength(days * models);
    expect(days).toBe(201);
    expect(totals).toStrictEqual(await world.plainSums());
  });
});

describe('the largest groups', () => {
  it.each([
    ['COST', 'costMicros'],
    ['TOKENS', 'tokenCnt'],
    ['REQUESTS', 'requestCnt'],
  ])('are chosen by %s, and all others are one row', async (topBy, measure) => {
    const all = (await world.every({ groupBy: ['HUMAN', 'MODEL'] })).rows;
    const { rows, totals } = await world.every({ groupBy: ['HUMAN', 'MODEL'], top: 2, topBy });
    expect(totals).toStrictEqual(await world.plainSums());
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

  it('are the same on each day', async () => {
    const { rows } = await world.every({ groupBy: ['HUMAN', 'DAY'], top: 1, fill: true, pageSize: 100 });
    expect(new Set(rows.filter(({ other }) => other === undefined).map(({ humanId }) => humanId)).size).toBe(1);
    expect(rows).toHaveLength(2 * 201);
  });
});

it('names are shown beside the ids of existing keys and gateways', async () => {
  const { rows } = await world.every({ groupBy: ['KEY'] });
  expect(rows.find((row) => row.keyId === keyId)).toHaveProperty('keyName');
  expect(rows.find((row) => row.keyId === 'key_other')).not.toHaveProperty('keyName');
});

it.each([
  { endTime: '0001-01-01T00:00:00.001Z' },
  { startTime: '9999-12-31T00:00:00Z', endTime: '9999-12-31T23:59:59.999Z' },
])('accepts any time, however distant: %j', async (time) => {
  for (const format of ['JSON', 'CSV']) expect((await world.send('usage/query', { ...time, format })).status).toBe(200);
});

describe('a query is refused for', () => {
  it.each([
    ['startTime', { startTime: 'yesterday' }],
    ['startTime', { startTime: '2999-01-01T00:00:00Z' }],
    ['endTime', { endTime: '0001-01-01T00:00:00Z' }],
    ['endTime', { startTime: '2026-01-02T00:00:00Z', endTime: '2026-01-02T00:00:00Z' }],
    ['startTime', { startTime: '2024-01-01T00:00:00Z', endTime: '2025-01-02T00:00:01Z' }],
    ['groupBy.0', { groupBy: ['COUNTRY'] }],
    ['timeZone', { timeZone: '+02:00' }],
    ['timeZone', { timeZone: 'US/Pacific-New', groupBy: ['DAY'] }],
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
    expect(fieldsOf(await expectPlatformRefusal(service, () => world.send('usage/query', body), 400))).toEqual([field]);
  });

  it('a page token of another query, or of another tenant', async () => {
    const { nextPageToken: pageToken } = await world.query({ groupBy: ['MODEL'], pageSize: 1 });
    const others = { ...LONG, pageToken, pageSize: 1 };
    platformError(await world.send('usage/query', { ...others, groupBy: ['KEY'] }), 400);
    platformError(await world.send('usage/query', { ...others, groupBy: ['MODEL'], keyId }), 400);
    const stranger = ownerOf(await service.seedOrg());
    platformError(await post(service, stranger, 'usage/query', { ...others, groupBy: ['MODEL'] }), 400);
  });

  it('a caller who acts as a human, and a key without usage:read', async () => {
    const { key: all } = await service.createKey(org, { scopes: ['usage:read', 'users:impersonate'] });
    const as = (by: string, headers: Record<string, string> = {}) =>
      world.send('usage/query', {}, { 'x-api-key': by, ...headers });
    platformError(await as(all, { 'x-on-behalf-of': HUMANS[0]! }), 403);
    platformError(await as((await service.createKey(org, { scopes: ['usage:write'] })).key), 403);
    expect((await as(all)).status).toBe(200);
  });
});

it("shows another tenant nothing, by the same humans' names or by our ids", async () => {
  const stranger = ownerOf(await service.seedOrg());
  const all = await service.asUser<Page>(stranger, 'usage/query', { ...LONG, groupBy: ['HUMAN', 'KEY', 'MODEL'] });
  expect(all.rows).toEqual([]);
  for (const body of [{ human: HUMANS[0] }, { keyId }, { model: 'gpt-4o-mini' }]) {
    const { totals } = await service.asUser<Page>(stranger, 'usage/query', { ...LONG, ...body });
    for (const measure of MEASURES) expect(totals[measure]).toBe('0');
  }
});
