/** How a tenant's people and servers set, list and delete budgets, and how calls use them. */
import { randomUUID } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { gatewayOf, gatewayTokenIdOf } from '../../contracts/access-world.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';

interface BudgetView {
  readonly budgetId: string;
  readonly holder: object;
  readonly used: string;
  readonly held: string;
  readonly remaining: string;
  readonly resetsAt?: string;
  readonly alertAtPercent: number[];
}

let service: TestService;
let org: Org;
let other: Org;
let key: string;
let keyId: string;

beforeAll(async () => {
  service = await startService({ settings: { openaiModels: [UPSTREAM_MODEL] } });
  org = await service.createOrg('founder');
  other = await service.createOrg('stranger');
  ({ key, keyId } = await service.createKey(org, { requestsPerMinute: 100_000 }));
});

afterAll(() => service.stop());

afterEach(() => service.sql('DELETE FROM budgets'));

const ask = (method: string, body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/budgets/${method}`, { headers: { 'x-api-key': key, ...headers }, body });

async function set(body: object, headers?: Record<string, string>): Promise<BudgetView> {
  const answer = await ask('set', body, headers);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return answer.json<{ budget: BudgetView }>().budget;
}

async function list(body: object = {}): Promise<BudgetView[]> {
  const answer = await ask('list', body);
  expect(answer.status).toBe(200);
  return answer.json<{ budgets: BudgetView[] }>().budgets;
}

const chat = (fields: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': key, ...headers },
    body: {
      model: UPSTREAM_MODEL,
      messages: [{ role: 'user', content: 'Say hello.' }],
      max_completion_tokens: 50,
      ...fields,
    },
  });

const TENANT_DAY = { holder: { tenant: true }, type: 'request_cnt', period: 'DAY', limit: '3' };

describe('a budget', () => {
  it('is shown as it was set, with the amounts used, held and left, and its renewal time', async () => {
    expect(await set({ ...TENANT_DAY, time_zone: 'Europe/Berlin', alert_at_percent: [50, 90] })).toEqual({
      budgetId: expect.any(String),
      holder: { tenant: true },
      type: 'request_cnt',
      period: 'DAY',
      timeZone: 'Europe/Berlin',
      models: [],
      limit: '3',
      alertAtPercent: [50, 90],
      used: '0',
      held: '0',
      remaining: '3',
      resetsAt: expect.stringMatching(/T2[23]:00:00\.000Z$/),
      createdAt: expect.any(String),
    });
    expect((await chat()).status).toBe(200);
    await eventually(async () => (await list())[0]?.used === '1');
    expect(await list()).toEqual([expect.objectContaining({ used: '1', held: '0', remaining: '2' })]);
  });

  it('of each holder is found under that holder only', async () => {
    const human = randomUUID();
    const gatewayId = await gatewayOf(service, org);
    const gatewayTokenId = await gatewayTokenIdOf(service, org, gatewayId);
    const holders = [{ tenant: true }, { keyId }, { human }, { gatewayId }, { gatewayTokenId }];
    for (const holder of holders) {
      const budget = await set({ holder, type: 'token_cnt', period: 'MONTH', limit: 1000 });
      expect(budget.holder).toEqual(holder);
      expect(await list({ holder })).toEqual([budget]);
    }
    expect(await list()).toHaveLength(holders.length);
    expect(await list({ holder: { human: 'nobody' } })).toEqual([]);
    expect(await service.sql("SELECT 1 FROM humans WHERE human = 'nobody'")).toEqual([]);
  });

  it('is one for each holder, type, period, zone and models, in whichever order the models are listed', async () => {
    const first = await set({ ...TENANT_DAY, models: ['a', 'b'] });
    const again = await set({ ...TENANT_DAY, models: ['b', 'a'], limit: 7 });
    expect(again).toMatchObject({ budgetId: first.budgetId, limit: '7' });
    expect((await set(TENANT_DAY)).budgetId).not.toBe(first.budgetId);
    expect((await set({ ...TENANT_DAY, period: 'WEEK' })).budgetId).not.toBe(first.budgetId);
    expect(await list({ period: 'WEEK' })).toHaveLength(1);
  });

  it('that was raised allows more until the given time, and shows it', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const budget = { ...TENANT_DAY, holder: { gatewayId: await gatewayOf(service, org) } };
    const raised = await set({ ...budget, raise: { by: '2', until } });
    expect(raised).toMatchObject({ limit: '3', raise: { by: '2', until }, remaining: '5' });
    const past = new Date(Date.now() - 1000).toISOString();
    expect(await set({ ...budget, raise: { by: '2', until: past } })).not.toHaveProperty('raise');
  });

  it('of a human and period NONE is its limit, and a limit is such a budget', async () => {
    const human = randomUUID();
    await set({ holder: { human }, type: 'token_cnt', period: 'NONE', limit: 500 });
    const headers = { 'x-api-key': key, 'x-human-id': human };
    expect((await service.call('GET', '/v1/usage/limits', { headers })).json()).toEqual([
      { type: 'token_cnt', value: 500 },
    ]);
    const limits = [{ type: 'request_cnt', value: 2.5 }];
    expect(
      (await service.call('PUT', '/v1/usage/token', { headers: { 'x-api-key': key }, body: { human, limits } })).status,
    ).toBe(200);
    expect(await list({ holder: { human }, type: 'request_cnt' })).toEqual([
      expect.objectContaining({ period: 'NONE', limit: '2.5', remaining: '2.5', alertAtPercent: [80] }),
    ]);
  });

  it("set within a period counts what was used since the period's start", async () => {
    expect((await chat()).status).toBe(200);
    await eventually(
      async () => (await service.sql("SELECT 1 FROM usage_records WHERE state = 'RESERVED'")).length === 0,
    );
    const [{ count }] = (await service.sql<{ count: number }>(
      "SELECT sum(requests)::int AS count FROM usage_records WHERE tenant_id = $1 AND created_at >= date_trunc('day', now(), 'UTC')",
      [org.tenantId],
    )) as [{ count: number }];
    expect(await set({ ...TENANT_DAY, limit: 1000 })).toMatchObject({ used: String(count) });
  });

  it('no longer limits anything once it is deleted', async () => {
    const { budgetId } = await set({ ...TENANT_DAY, period: 'NONE', limit: 0 });
    expect((await chat()).status).toBe(429);
    expect((await ask('delete', { budgetId })).status).toBe(200);
    expect((await chat()).status).toBe(200);
    expect((await ask('delete', { budgetId })).status).toBe(404);
  });

  it('is created once for an Idempotency-Key, and the repeat says so', async () => {
    const human = randomUUID();
    const headers = { 'idempotency-key': randomUUID() };
    const body = { holder: { human }, type: 'token_cnt', period: 'NONE', limit: 500 };
    const first = await set(body, headers);
    const repeat = await ask('set', body, headers);
    expect(repeat.json()).toEqual({ budget: first, notice: expect.any(String) });
    expect(JSON.stringify(await service.sql('SELECT response FROM idempotency_keys'))).not.toContain(human);
    expect((await ask('set', { ...body, limit: 1 }, headers)).status).toBe(409);
  });

  it('is recorded in the audit log by ids only', async () => {
    const human = randomUUID();
    const { budgetId } = await set({ holder: { human }, type: 'token_cnt', period: 'NONE', limit: 500 });
    await ask('delete', { budgetId });
    const rows = await service.sql<{ action: string }>(
      'SELECT action, human_id, details FROM audit_events WHERE resource_id = $1 ORDER BY occurred_at',
      [budgetId],
    );
    expect(rows.map(({ action }) => action)).toEqual(['budget.set', 'budget.deleted']);
    expect(JSON.stringify(rows)).not.toContain(human);
  });
});

describe('a request about budgets', () => {
  it.each([
    ['no holder', { ...TENANT_DAY, holder: {} }],
    ['two holders', { ...TENANT_DAY, holder: { tenant: true, keyId: 'key_1' } }],
    ['a type that servers report', { ...TENANT_DAY, type: 'conversational_seconds' }],
    ['no period', { ...TENANT_DAY, period: undefined }],
    ['an unknown period', { ...TENANT_DAY, period: 'YEAR' }],
    ['an unknown zone', { ...TENANT_DAY, timeZone: 'Europe/Atlantis' }],
    ['a zone that Node knows and Postgres does not', { ...TENANT_DAY, timeZone: 'US/Pacific-New' }],
    ['an offset for a zone', { ...TENANT_DAY, timeZone: '+01:00' }],
    ['a limit below 0', { ...TENANT_DAY, limit: -1 }],
    ['a limit with decimals', { ...TENANT_DAY, limit: 1.5 }],
    [
      'a raise beyond the largest number',
      { ...TENANT_DAY, limit: '9000000000000', raise: { by: 1, until: '2030-01-01T00:00:00Z' } },
    ],
    ['a percentage of 0', { ...TENANT_DAY, alertAtPercent: [0] }],
    ['a percentage twice', { ...TENANT_DAY, alertAtPercent: [50, 50] }],
  ])('with %s is refused', async (_what, body) => {
    expect((await ask('set', body)).status).toBe(400);
    expect(await list()).toEqual([]);
  });

  it("finds nothing of another tenant's", async () => {
    const asOther = { user: other.user, tenant: other.tenantId };
    const { budgetId } = await set(TENANT_DAY);
    expect(await service.asUser(asOther, 'budgets/list')).toEqual({ budgets: [], nextPageToken: '' });
    await expect(service.asUser(asOther, 'budgets/delete', { budgetId })).rejects.toThrow(/404/);
    const gatewayId = await gatewayOf(service, org);
    const gatewayTokenId = await gatewayTokenIdOf(service, org, gatewayId);
    for (const holder of [{ keyId }, { gatewayId }, { gatewayTokenId }])
      await expect(service.asUser(asOther, 'budgets/set', { ...TENANT_DAY, holder })).rejects.toThrow(/404/);
    expect(await list()).toHaveLength(1);
  });

  it('lists page by page, newest first', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1)
      made.unshift((await set({ ...TENANT_DAY, holder: { human: `paged-${i}` } })).budgetId);
    const found: string[] = [];
    for (let pageToken = ''; ;) {
      const answer = await ask('list', { pageSize: 2, pageToken });
      const page = answer.json<{ budgets: BudgetView[]; nextPageToken: string }>();
      found.push(...page.budgets.map(({ budgetId }) => budgetId));
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    expect(found).toEqual(made);
  });
});

describe('a call that a budget refuses', () => {
  it('is told whose budget it was, of what type and period, and when it renews', async () => {
    await set({ ...TENANT_DAY, period: 'MONTH', limit: 0 });
    const answer = await chat();
    expect(answer.status).toBe(429);
    expect(answer.json()).toMatchObject({
      type: 'usage_limit_exceeded',
      message: expect.stringContaining(
        "The tenant's limit of request_cnt a month has too little left for this request.",
      ),
      error: { code: 'usage_limit_exceeded' },
      details: { holder: 'tenant', type: 'request_cnt', period: 'MONTH', resets_at: expect.any(String) },
    });
    const seconds = Number(answer.headers['retry-after']);
    expect(seconds).toBeGreaterThanOrEqual(1);
    // Once in a while the month ends within the minute.
    expect(answer.headers['x-should-retry'] ?? 'false').toBe('false');
  });

  it('may retry after a budget of a minute, and may not after a budget without a period', async () => {
    await set({ holder: { keyId }, type: 'request_cnt', period: 'MINUTE', limit: 0 });
    const minute = await chat();
    expect([minute.status, minute.headers['x-should-retry']]).toEqual([429, undefined]);
    expect(Number(minute.headers['retry-after'])).toBeLessThanOrEqual(60);
    await service.sql('DELETE FROM budgets');
    await set({ holder: { keyId }, type: 'request_cnt', period: 'NONE', limit: 0 });
    const sum = await chat();
    expect([sum.status, sum.headers['x-should-retry'], sum.headers['retry-after']]).toEqual([429, 'false', undefined]);
  });

  it('is judged by the models that the budget names only', async () => {
    await set({ ...TENANT_DAY, models: ['another-model'], limit: 0 });
    expect((await chat()).status).toBe(200);
    await set({ ...TENANT_DAY, models: [UPSTREAM_MODEL], limit: 0 });
    expect((await chat()).status).toBe(429);
  });

  it('takes nothing from the budgets that had room', async () => {
    const human = randomUUID();
    await set({ ...TENANT_DAY, period: 'NONE', limit: 10 });
    await set({ holder: { human }, type: 'request_cnt', period: 'NONE', limit: 0 });
    expect((await chat({}, { 'x-human-id': human })).status).toBe(429);
    expect(await list({ holder: { tenant: true } })).toEqual([expect.objectContaining({ used: '0', held: '0' })]);
  });
});

describe('a call that names no output limit', () => {
  it('under a budget of tokens gets 4,096, or less where the model makes less, and never all that is left', async () => {
    await set({ holder: { keyId }, type: 'token_cnt', period: 'NONE', limit: 1_000_000 });
    expect((await chat({ max_completion_tokens: undefined })).status).toBe(200);
    const [row] = await service.sql<{ tokens: number }>(
      'SELECT reserved_output_tokens::int AS tokens FROM usage_records WHERE limited ORDER BY created_at DESC LIMIT 1',
    );
    expect(row).toEqual({ tokens: 4096 });
  });
});

describe("OpenAI's headers of tokens", () => {
  const SHOWN = /^x-ratelimit-(?:limit|remaining|reset)-tokens$/;
  const tokensIn = ({ headers }: Answer): object =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => SHOWN.test(name)));

  it('show what a call left of the renewing budget with the least room, and when that renews', async () => {
    expect(tokensIn(await chat())).toEqual({});
    await set({ holder: { keyId }, type: 'token_cnt', period: 'NONE', limit: 700 });
    await set({ holder: { keyId }, type: 'request_cnt', period: 'DAY', limit: 100 });
    expect(tokensIn(await chat())).toEqual({});
    // A call that is still open is held in a budget that is set meanwhile, and the room it holds is not shown as used.
    await eventually(
      async () => (await service.sql("SELECT 1 FROM usage_records WHERE state = 'RESERVED'")).length === 0,
    );
    await set({ holder: { keyId }, type: 'token_cnt', period: 'DAY', limit: 1_000_000 });
    const hour = await set({ holder: { tenant: true }, type: 'token_cnt', period: 'HOUR', limit: 5_000 });
    const answers = [await chat(), await chat({ stream: true })];
    const [row] = await service.sql<{ reserved: number }>(
      `SELECT (reserved_input_tokens + reserved_output_tokens)::int AS reserved FROM usage_records
       ORDER BY created_at DESC LIMIT 1`,
    );
    const shown = answers.map(tokensIn) as { 'x-ratelimit-remaining-tokens': string }[];
    for (const one of shown)
      expect(one).toEqual({
        'x-ratelimit-limit-tokens': '5000',
        'x-ratelimit-remaining-tokens': expect.stringMatching(/^\d+$/) as string,
        'x-ratelimit-reset-tokens': expect.stringMatching(/^(?:1h0m0s|(?:[1-5]?\dm)?[1-5]?\ds)$/) as string,
      });
    // The first call has used less by then than its upper bound.
    expect(Number(shown[0]?.['x-ratelimit-remaining-tokens'])).toBe(Number(hour.remaining) - row!.reserved);
    expect(Number(shown[1]?.['x-ratelimit-remaining-tokens'])).toBeLessThan(Number(hour.remaining) - row!.reserved);
  });
});
