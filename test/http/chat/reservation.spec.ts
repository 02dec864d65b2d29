import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL, completion } from '../../support/openai-upstream.js';
import { startService, type Answer, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { onDatabase } from '../../support/sql.js';
import { clearLedger, ledgerOf, settledCall, settledCalls } from '../ledger.js';
import { openaiError } from '../refusals.js';

let service: TestService;
let org: Org;
let key: MadeKey;

beforeAll(async () => {
  service = await startService();
  org = await service.createOrg('founder');
  key = await service.createKey(org);
  await clearLedger(service);
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const MESSAGES = [{ role: 'user', content: 'Say hello to everybody, please.' }];

const post = (fields: object = {}): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { authorization: `Bearer ${key.key}` },
    body: { model: UPSTREAM_MODEL, messages: MESSAGES, ...fields },
  });

/** Locks the ledger's table as a long migration would, and unlocks it after `work`. */
async function whileLedgerIsLocked<T>(work: () => Promise<T>): Promise<T> {
  return onDatabase(service.database.superuserUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('LOCK TABLE usage_records IN ACCESS EXCLUSIVE MODE');
    const done = await work();
    await client.query('COMMIT');
    return done;
  });
}

async function waitingForLedger(): Promise<number> {
  const waiting = await service.sql(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
  );
  return waiting.length;
}

/** Statements of reservations that are not over. */
async function reserving(): Promise<number> {
  const running = await service.sql(
    `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
     AND state <> 'idle' AND query LIKE '%admit\\_usage%'`,
  );
  return running.length;
}

describe('a call', () => {
  it('is in the ledger before it goes upstream, and is settled after it with all its details', async () => {
    let answerNow: () => void = () => undefined;
    const after = new Promise<void>((resolve) => (answerNow = resolve));
    service.upstream.next({ kind: 'body', body: completion(), after });
    const asked = service.call('POST', '/v1/chat/completions', {
      headers: { 'x-api-key': key.key, 'x-request-id': 'asked-by-me' },
      body: { model: UPSTREAM_MODEL, messages: MESSAGES, max_completion_tokens: 100, n: 2 },
    });
    await service.upstream.request();
    const [reserved, ...others] = await ledgerOf(service);
    expect(others).toEqual([]);
    expect(reserved).toMatchObject({
      state: 'RESERVED',
      outcome: null,
      reserved_output_tokens: 200,
      input_tokens: 0,
      output_tokens: 0,
    });
    expect(reserved!.reserved_input_tokens).toBeGreaterThan(8);

    answerNow();
    expect((await asked).status).toBe(200);
    expect(await settledCall(service)).toStrictEqual({
      ...reserved,
      tenant_id: org.tenantId,
      kind: 'CALL',
      key_id: key.keyId,
      user_id: null,
      request_id: 'asked-by-me',
      provider: 'openai',
      model: UPSTREAM_MODEL,
      streamed: false,
      state: 'SETTLED',
      outcome: 'OK',
      status_code: 200,
      input_tokens: 9,
      output_tokens: 12,
      estimated: false,
      latency_ms: expect.any(Number) as number,
    });
  });

  it('goes upstream only once its reservation is committed', async () => {
    const asked = await whileLedgerIsLocked(async () => {
      const call = post();
      await eventually(async () => (await waitingForLedger()) > 0);
      expect(service.upstream.requests).toEqual([]);
      return { call };
    });
    expect((await asked.call).status).toBe(200);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK' });
  });

  it('does not go upstream where its reservation can’t be committed in time, and costs nothing', async () => {
    await whileLedgerIsLocked(async () => {
      expect(openaiError(await post(), 503).code).toBe('unavailable');
    });
    // A reservation that was on its way is committed late, and settled then.
    await eventually(async () => (await reserving()) === 0);
    await eventually(async () => {
      for (const row of await ledgerOf(service)) {
        expect(row).toMatchObject({ state: 'SETTLED', outcome: 'NOT_SENT', input_tokens: 0, output_tokens: 0 });
      }
    });
    expect(service.upstream.requests).toEqual([]);
    expect((await post()).status).toBe(200);
  });

  it('of a person at the dashboard names the person', async () => {
    await service.addMember(org, 'ada', 'developer');
    const headers = { authorization: `Bearer ${service.dashboardToken({ user: 'ada', tenant: org.tenantId })}` };
    const body = { model: UPSTREAM_MODEL, messages: MESSAGES };
    expect((await service.call('POST', '/v1/chat/completions', { headers, body })).status).toBe(200);
    expect(await settledCall(service)).toMatchObject({
      tenant_id: org.tenantId,
      user_id: 'ada',
      key_id: null,
      outcome: 'OK',
    });
  });

  it('is one record each, however many come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 120 }, (_, index) => post({ stream: index % 2 === 0 })));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    const rows = await settledCalls(service, 120);
    expect(rows.map(({ request_id: id }) => id).sort()).toEqual(
      answers.map(({ headers }) => headers['x-request-id']).sort(),
    );
    expect(
      rows.every(
        ({ outcome, input_tokens: input, output_tokens: output }) => outcome === 'OK' && input === 9 && output === 12,
      ),
    ).toBe(true);
  });
});
