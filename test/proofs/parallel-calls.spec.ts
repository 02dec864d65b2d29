/** Of N parallel calls with room for M exactly M pass, over several processes, however the calls name their human. */
import { randomInt } from 'node:crypto';
import { eventually, pause } from '../support/eventually.js';
import { UPSTREAM_MODEL, completion, usageOf, type UpstreamRequest } from '../support/openai-upstream.js';
import { ProofCluster, type Way } from '../support/proof-cluster.js';
import { inForm } from '../support/proof-form.js';
import { units } from '../support/proof-limits.js';
import type { Answer, ServiceProcess } from '../support/service.js';
import { clearLedger, ledgerOf, type LedgerRow } from '../http/ledger.js';
import { openaiError } from '../http/refusals.js';

const CALLS = 1000;
const ROOM = 100;
const REPEATS = inForm(2, 20);

let cluster: ProofCluster;

/** An output token costs 20 micro-dollars and a prompt nothing, so that a call's bound is a round sum. */
const MODELS = [
  {
    id: UPSTREAM_MODEL,
    context_tokens: 100_000,
    max_output_tokens: 10_000,
    output_field: 'max_completion_tokens',
    price: { input: 0, output: 20 },
  },
];

beforeAll(async () => {
  cluster = await ProofCluster.start({ processes: 4, env: { GATEHOUSE_MODELS: JSON.stringify(MODELS) } });
}, 120_000);

afterAll(() => cluster.stop());

beforeEach(async () => {
  cluster.admin.upstream.reset();
  await clearLedger(cluster.admin);
});

type Headers = Awaited<ReturnType<Way['headersFor']>>;

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const BODY = JSON.stringify({ model: UPSTREAM_MODEL, messages: MESSAGES });

/** A service that is behind answers 503 without a verdict, and the call is made again, as clients do. */
async function callUntilJudged(process: ServiceProcess, headers: Headers, body: string): Promise<Answer> {
  for (;;) {
    const answer = await process.call('POST', '/v1/chat/completions', { headers, body });
    if (answer.status !== 503) return answer;
    await pause(500);
  }
}

/**
 * The rows of calls that went upstream, once none is open. A call that got 503 because the service was behind may have a row
 * too, where the database accepted it in the end; it is uncharged.
 */
async function sentCalls(count: number): Promise<LedgerRow[]> {
  let rows: LedgerRow[] = [];
  await eventually(async () => {
    rows = await ledgerOf(cluster.admin);
    return rows.every(({ state }) => state !== 'RESERVED');
  });
  const sent = rows.filter(({ outcome }) => outcome !== 'NOT_SENT');
  expect(sent).toHaveLength(count);
  return sent;
}

/** All at once: in turn over the processes, and on each process over all ways to name the human. */
function callAll(
  headers: readonly Headers[],
  calls: number,
  processes: number,
  bodyOf = (): string => BODY,
): Promise<Answer>[] {
  return Array.from({ length: calls }, (_, index) =>
    callUntilJudged(
      cluster.processes[index % processes]!,
      headers[Math.floor(index / processes) % headers.length]!,
      bodyOf(),
    ),
  );
}

/** In every second repeat as they come; in the others all processes begin with calls that have queued up. */
async function callInTurn(
  repeat: number,
  human: string,
  calls: number,
  processes: number,
  bodyOf?: () => string,
): Promise<readonly Promise<Answer>[]> {
  const headers = await Promise.all(cluster.ways.map(async (way) => way.headersFor(human)));
  const send = (): Promise<Answer>[] => callAll(headers, calls, processes, bodyOf);
  return repeat % 2 === 0 ? cluster.pileUp(human, processes, send) : send();
}

/** A used-up limit must not be retried; one that open calls held until the end of the wait may be. */
function expectRefused(answer: Answer): void {
  const { type } = openaiError(answer, 429);
  expect(['usage_limit_exceeded', 'usage_limit_busy']).toContain(type);
  expect([answer.headers['x-should-retry'], answer.headers['retry-after']]).toEqual(
    type === 'usage_limit_exceeded' ? ['false', undefined] : [undefined, '1'],
  );
}

it('charges one counter, however its human is named', async () => {
  const { ways } = cluster;
  await cluster.limit('everywhere', { request_cnt: units(ways.length) });
  const callEach = (): Promise<Answer[]> =>
    Promise.all(
      ways.map(async (way, index) =>
        cluster.processes[index % 4]!.call('POST', '/v1/chat/completions', {
          headers: await way.headersFor('everywhere'),
          body: BODY,
        }),
      ),
    );
  const named = (answers: readonly Answer[]): object[] =>
    answers.map(({ status }, index) => ({ way: ways[index]!.name, status }));
  expect(named(await callEach())).toEqual(ways.map(({ name }) => ({ way: name, status: 200 })));
  expect(named(await callEach())).toEqual(ways.map(({ name }) => ({ way: name, status: 429 })));
});

describe.each([1, 2, 4])('a limit of request_cnt, on %i processes', (processes) => {
  it(`admits exactly ${ROOM} of ${CALLS} parallel calls, and sends none of the others upstream, ${REPEATS} times`, async () => {
    const { admin } = cluster;
    for (let repeat = 0; repeat < REPEATS; repeat += 1) {
      const human = `of-${processes}-in-${repeat}`;
      await cluster.limit(human, { request_cnt: units(ROOM) });
      const answers = await Promise.all(await callInTurn(repeat, human, CALLS, processes));
      const refused = answers.filter(({ status }) => status !== 200);
      expect(answers.length - refused.length).toBe(ROOM);
      refused.forEach(expectRefused);
      expect(admin.upstream.requests).toHaveLength(ROOM);
      const rows = await sentCalls(ROOM);
      expect(rows.every(({ outcome }) => outcome === 'OK')).toBe(true);
      expect(await cluster.account(human, 'request_cnt')).toMatchObject({
        left: 0n,
        reserved: 0n,
        spent: units(ROOM),
      });
      admin.upstream.reset();
      await clearLedger(admin);
    }
  }, 600_000);
});

describe.each([1, 2, 4])("a tenant's budget and a human's at once, on %i processes", (processes) => {
  const OF_HUMAN = 40;
  const PARALLEL = inForm(300, CALLS);

  it(`admit exactly ${ROOM} of ${PARALLEL} parallel calls, and at most ${OF_HUMAN} of the human's`, async () => {
    const { admin, org } = cluster;
    const human = `shares-${processes}`;
    await cluster.limit(human, { request_cnt: units(OF_HUMAN) });
    // The budget begins with this day's usage by the tests before.
    const set = (limit: number): Promise<{ budget: { budgetId: string; used: string } }> =>
      admin.asUser({ user: org.user, tenant: org.tenantId }, 'budgets/set', {
        holder: { tenant: true },
        type: 'request_cnt',
        period: 'MONTH',
        limit,
      });
    const { budget } = await set(0);
    await set(Number(budget.used) + ROOM);
    const alone = { 'x-api-key': cluster.secret.key };
    const headers = await Promise.all(cluster.ways.map(async (way) => way.headersFor(human)));
    const answers = await Promise.all(
      Array.from({ length: PARALLEL }, async (_, index) => ({
        isHuman: index % 2 === 0,
        answer: await callUntilJudged(
          cluster.processes[index % processes]!,
          index % 2 === 0 ? headers[index % headers.length]! : alone,
          BODY,
        ),
      })),
    );
    const passed = answers.filter(({ answer: { status } }) => status === 200);
    const refused = answers.filter(({ answer: { status } }) => status === 429);
    expect([passed.length, refused.length]).toEqual([ROOM, PARALLEL - ROOM]);
    expect(passed.filter(({ isHuman }) => isHuman).length).toBeLessThanOrEqual(OF_HUMAN);
    expect(admin.upstream.requests).toHaveLength(ROOM);
    await sentCalls(ROOM);
    const [row] = await admin.sql<{ used: string; held: string }>(
      'SELECT used::text, held::text FROM budgets WHERE id = $1',
      [budget.budgetId],
    );
    expect(row).toEqual({ used: String(units(Number(budget.used) + ROOM)), held: '0' });
    await admin.sql('DELETE FROM budgets WHERE id = $1', [budget.budgetId]);
  }, 600_000);
});

describe.each([1, 2, 4])('a limit of cost_micros, on %i processes', (processes) => {
  const LIMIT = units(1_000_000);
  const PARALLEL = 200;
  const OUTPUT_TOKENS = 1000;
  /** The number of calls that fit, at 20,000 micro-dollars each. */
  const FITTING = 50;
  const body = JSON.stringify({ model: UPSTREAM_MODEL, messages: MESSAGES, max_completion_tokens: OUTPUT_TOKENS });

  /** Makes the upstream hold its answers until it is released; each then uses a part of its call's bound. */
  function holdUpstream(): () => void {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    cluster.admin.upstream.otherwise = async ({ body: asked }: UpstreamRequest) => {
      await released;
      const { max_completion_tokens: most } = JSON.parse(asked.toString()) as { max_completion_tokens: number };
      return { kind: 'body', body: completion({ usage: usageOf(9, randomInt(most + 1)) }) };
    };
    return release;
  }

  it(`admits ${FITTING} of ${PARALLEL} parallel calls that reserve 20,000 each, while none is answered`, async () => {
    const { admin } = cluster;
    for (let repeat = 0; repeat < REPEATS; repeat += 1) {
      const human = `spends-${processes}-in-${repeat}`;
      await cluster.limit(human, { cost_micros: LIMIT });
      const release = holdUpstream();
      const refused: Answer[] = [];
      const calls = await callInTurn(repeat, human, PARALLEL, processes, () => body);
      const asked = calls.map(async (call) => {
        const answer = await call;
        if (answer.status !== 200) refused.push(answer);
      });
      await eventually(() => refused.length + admin.upstream.requests.length === PARALLEL);
      expect(admin.upstream.requests).toHaveLength(FITTING);
      expect(await cluster.account(human, 'cost_micros')).toMatchObject({ left: LIMIT, reserved: LIMIT, held: LIMIT });
      release();
      await Promise.all(asked);
      refused.forEach(expectRefused);
      expect(refused).toHaveLength(PARALLEL - FITTING);
      await sentCalls(FITTING);
      const { left, reserved, spent } = await cluster.account(human, 'cost_micros');
      expect({ left, reserved, within: spent <= LIMIT }).toEqual({ left: LIMIT - spent, reserved: 0n, within: true });
      admin.upstream.reset();
      await clearLedger(admin);
    }
  }, 600_000);

  it('is not exceeded by any number of waves of calls, however much each requests', async () => {
    const { admin } = cluster;
    const human = `spends-all-${processes}`;
    await cluster.limit(human, { cost_micros: LIMIT });
    let settled = 0;
    let passed = Infinity;
    for (let wave = 0; wave < inForm(3, 40) && passed > 0; wave += 1) {
      const release = holdUpstream();
      const asked = await callInTurn(wave, human, PARALLEL, processes, () =>
        JSON.stringify({ model: UPSTREAM_MODEL, messages: MESSAGES, max_completion_tokens: 1 + randomInt(4000) }),
      );
      release();
      const answers = await Promise.all(asked);
      passed = answers.filter(({ status }) => status === 200).length;
      answers.filter(({ status }) => status !== 200).forEach(expectRefused);
      settled += passed;
      const rows = await sentCalls(settled);
      expect(rows.every(({ outcome }) => outcome === 'OK')).toBe(true);
      const { left, reserved, spent } = await cluster.account(human, 'cost_micros');
      expect({ left, reserved, within: spent <= LIMIT }).toEqual({ left: LIMIT - spent, reserved: 0n, within: true });
    }
    expect(admin.upstream.requests).toHaveLength(settled);
    expect(settled).toBeGreaterThan(0);
  }, 600_000);
});
