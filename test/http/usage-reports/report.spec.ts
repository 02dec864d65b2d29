/** Usage that a tenant's servers report: counted once, exactly, and taken from the human's limit. */
import { randomUUID } from 'node:crypto';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { ownerOf } from '../orgs/people.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';

let service: TestService;
let org: Org;
let key: string;
let keyId: string;

beforeAll(async () => {
  service = await startService({ settings: { requestsPerMinute: 1_000_000 } });
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.seedOrg();
  ({ key, keyId } = await service.createKey(org));
  // The endpoint's server never answers: only enqueued events count here.
  await service.sql(
    `WITH endpoint AS (
       INSERT INTO webhook_endpoints (id, tenant_id, url, created_by)
       VALUES ('webhook_' || $1, $1, 'https://hooks.invalid/', 'somebody') RETURNING *)
     INSERT INTO webhook_subscriptions (tenant_id, endpoint_id, type)
     SELECT tenant_id, id, type FROM endpoint, unnest('{usage.tracked,usage.limit_exceeded}'::text[]) AS type`,
    [org.tenantId],
  );
});

interface Report {
  readonly type?: unknown;
  readonly value?: unknown;
  readonly human?: unknown;
  readonly idempotency_key?: unknown;
  readonly [other: string]: unknown;
}

const post = (route: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers: { 'x-api-key': key, ...headers }, body });
const report = (changes: Report = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  post(
    'usage/report',
    { type: 'conversational_seconds', value: 10, human: 'ann', idempotency_key: randomUUID(), ...changes },
    headers,
  );
async function reported(changes: Report = {}, headers: Record<string, string> = {}): Promise<string> {
  const answer = await report(changes, headers);
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer.json<{ reportId: string }>().reportId;
}
const limit = (type: string, value: number, human = 'ann'): Promise<Answer> =>
  post('humans/upsert', { human, limits: [{ type, value }] });
async function left(human = 'ann'): Promise<object[]> {
  return (await post('humans/get', { human })).json<{ human: { limits: object[] } }>().human.limits;
}
const ledger = (): Promise<Record<string, unknown>[]> =>
  service.sql('SELECT * FROM usage_reports WHERE tenant_id = $1 ORDER BY created_at, id', [org.tenantId]);
const heard = (type: string): Promise<{ human_id: string; payload: object }[]> =>
  service.sql('SELECT human_id, payload FROM webhook_events WHERE tenant_id = $1 AND type = $2', [org.tenantId, type]);

describe('a report', () => {
  it('is in the ledger to the millionth, creates its human, and sends a webhook', async () => {
    const answer = await report({ value: '0.000001', idempotency_key: 'call-7' });
    expect(answer.json()).toStrictEqual({ reportId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    const { reportId } = answer.json<{ reportId: string }>();
    const [human] = await service.sql<{ id: string }>('SELECT id FROM humans WHERE tenant_id = $1', [org.tenantId]);
    expect(await ledger()).toEqual([
      expect.objectContaining({
        id: reportId,
        human_id: human!.id,
        key_id: keyId,
        user_id: null,
        type: 'conversational_seconds',
        micro_units: '1',
      }),
    ]);
    expect(await heard('usage.tracked')).toEqual([
      {
        human_id: human!.id,
        payload: expect.objectContaining({
          type: 'conversational_seconds',
          value: 0.000001,
          project: org.tenantId,
          metadata: { usage_report_id: reportId },
        }) as object,
      },
    ]);
  });

  it('of a person at the dashboard names that person', async () => {
    await service.asUser(ownerOf(org), 'usage/report', {
      type: 'memory_message_cnt',
      value: 2,
      human: 'ann',
      idempotencyKey: 'k',
    });
    expect(await ledger()).toEqual([expect.objectContaining({ user_id: org.user, key_id: null })]);
  });

  it.each(['conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt'])(
    'of %s is taken from that limit, and from no other',
    async (type) => {
      for (const limited of ['conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt', 'token_cnt'])
        await limit(limited, 100);
      await reported({ type, value: 12.25 });
      expect(await left()).toEqual(
        ['conversational_seconds', 'voice_synthesis_seconds', 'token_cnt', 'memory_message_cnt'].map((each) => ({
          type: each,
          value: each === type ? 87.75 : 100,
        })),
      );
    },
  );

  it('is accepted beyond the limit, which then shows 0 and sends one webhook for each time that it is set', async () => {
    await limit('conversational_seconds', 10);
    await reported({ value: 10 });
    expect([await left(), await heard('usage.limit_exceeded')]).toEqual([
      [{ type: 'conversational_seconds', value: 0 }],
      [],
    ]);
    await reported({ value: 0.5 });
    await reported({ value: 5 });
    expect(await left()).toEqual([{ type: 'conversational_seconds', value: 0 }]);
    expect(await heard('usage.limit_exceeded')).toEqual([
      {
        human_id: expect.stringMatching(/^hum_/) as string,
        payload: expect.objectContaining({ type: 'conversational_seconds' }) as object,
      },
    ]);
    expect(await ledger()).toHaveLength(3);
    await limit('conversational_seconds', 0);
    await reported({ value: 1 });
    expect(await heard('usage.limit_exceeded')).toHaveLength(2);
  });

  it('never ends a limit, however many there are', async () => {
    await limit('conversational_seconds', 0);
    await service.sql(
      "UPDATE budgets SET used = 9223372036854775800 WHERE tenant_id = $1 AND type = 'conversational_seconds'",
      [org.tenantId],
    );
    await reported({ value: 1_000_000_000 });
    await reported({ value: 1_000_000_000 });
    expect(await left()).toEqual([{ type: 'conversational_seconds', value: 0 }]);
  });
});

describe('a repeat', () => {
  it('gets the same answer, and is counted once', async () => {
    await limit('conversational_seconds', 100);
    const body = { idempotency_key: 'same', value: 1.5 };
    const first = await report(body);
    const again = await report({ ...body, value: '1.50' });
    expect(again.text).toBe(first.text);
    expect(again.headers['x-gatehouse-idempotent-replay']).toBe('true');
    expect(await left()).toEqual([{ type: 'conversational_seconds', value: 98.5 }]);
    expect(await ledger()).toHaveLength(1);
    expect(await heard('usage.tracked')).toHaveLength(1);
  });

  it.each([
    ['value', { value: 11 }],
    ['type', { type: 'memory_message_cnt' }],
    ['human', { human: 'bea' }],
  ])('with another %s is a conflict, and changes nothing', async (_, changes) => {
    await reported({ idempotency_key: 'taken' });
    const error = await expectPlatformRefusal(service, () => report({ idempotency_key: 'taken', ...changes }), 409);
    expect(fieldsOf(error)).toEqual(['idempotencyKey']);
  });

  it('of many simultaneous requests is one report', async () => {
    await limit('conversational_seconds', 100);
    const ids = await Promise.all(Array.from({ length: 20 }, () => reported({ idempotency_key: 'at once' })));
    expect(new Set(ids).size).toBe(1);
    expect(await ledger()).toHaveLength(1);
    expect(await left()).toEqual([{ type: 'conversational_seconds', value: 90 }]);
  });

  it('by its header only gets the stored answer', async () => {
    const body = { idempotency_key: 'in the body' };
    const first = await report(body, { 'idempotency-key': 'in-the-header' });
    const again = await report(body, { 'idempotency-key': 'in-the-header' });
    expect(again.json()).toEqual({ ...first.json<object>(), notice: expect.any(String) as string });
    const otherBody = { idempotency_key: 'another' };
    platformError(await report(otherBody, { 'idempotency-key': 'in-the-header' }), 409);
    expect(await ledger()).toHaveLength(1);
  });

  it("of another tenant's key is another report", async () => {
    await reported({ idempotency_key: 'shared' });
    const other = await service.seedOrg();
    ({ key } = await service.createKey(other));
    await reported({ idempotency_key: 'shared', value: 3 });
    expect(
      await service.sql('SELECT 1 FROM usage_reports WHERE tenant_id = ANY ($1)', [[org.tenantId, other.tenantId]]),
    ).toHaveLength(2);
  });
});

describe('a human who was erased', () => {
  it('keeps the report without a name; a repeat of it counts nothing and recreates no human', async () => {
    const human = `gone-${randomUUID()}@example.org`;
    const body = { human, idempotency_key: `call of ${human}` };
    const reportId = await reported(body, { 'idempotency-key': 'erased-later' });
    expect((await post('humans/delete', { human })).status).toBe(200);
    expect(await reported(body)).toBe(reportId);
    expect(await ledger()).toHaveLength(1);
    expect(await service.sql('SELECT 1 FROM humans WHERE tenant_id = $1', [org.tenantId])).toEqual([]);
    expect(JSON.stringify(await ledger())).not.toContain(human);
    // Another report, for a new human.
    await reported({ human });
    expect(new Set((await ledger()).map((row) => row['human_id'])).size).toBe(2);
  });
});

describe('a report is refused for', () => {
  it.each([
    ['type', { type: undefined }],
    ['type', { type: 'seconds' }],
    ['type', { type: 'token_cnt' }],
    ['type', { type: 'request_cnt' }],
    ['type', { type: 'cost_micros' }],
    ['value', { value: undefined }],
    ['value', { value: 0 }],
    ['value', { value: -1 }],
    ['value', { value: 1.0000001 }],
    ['value', { value: '1e-7' }],
    ['value', { value: 1_000_000_001 }],
    ['value', { value: 'NaN' }],
    ['human', { human: undefined }],
    ['human', { human: ' ' }],
    ['human', { human: 'a\0' }],
    ['idempotencyKey', { idempotency_key: undefined }],
    ['idempotencyKey', { idempotency_key: '' }],
    ['idempotencyKey', { idempotency_key: 'k'.repeat(256) }],
    ['metadata', { metadata: {} }],
  ])('a wrong %s, and nothing is written', async (field, changes) => {
    expect(fieldsOf(await expectPlatformRefusal(service, () => report(changes), 400))).toEqual([field]);
  });

  it('a type that the platform counts, with that reason', async () => {
    const { details } = platformError(await report({ type: 'token_cnt' }), 400);
    expect(details[0]!.reason).toMatch(/counted by the platform/);
  });

  it('a human other than the one in x-human-id', async () => {
    const send = () => report({}, { 'x-human-id': 'bea' });
    expect(fieldsOf(await expectPlatformRefusal(service, send, 400))).toEqual(['human']);
    await reported({}, { 'x-human-id': 'ann' });
  });

  it('a key without usage:write, and a caller who acts as a human', async () => {
    ({ key } = await service.createKey(org, { scopes: ['usage:read', 'users:impersonate', 'usage:write'] }));
    await expectPlatformRefusal(service, () => report({}, { 'x-on-behalf-of': 'ann' }), 403);
    ({ key } = await service.createKey(org, { scopes: ['usage:read'] }));
    await expectPlatformRefusal(service, () => report(), 403);
  });
});
