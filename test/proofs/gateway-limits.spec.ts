/** Of 500 parallel calls by a gateway against room for N exactly N pass, for each kind of limit, on one replica and on three. */
import { eventually } from '../support/eventually.js';
import { completion, usageOf, type UpstreamRequest } from '../support/openai-upstream.js';
import { startReplicas, stopReplicas } from '../support/replicas.js';
import type { Org, TestService } from '../support/service.js';
import { SETTINGS, chat, create, createToken, type Made } from '../http/gateways/gateways.js';

const CALLS = 500;
const ROOM = 60;
const OUTPUT_TOKENS = 20;
let replicas: readonly TestService[];
let org: Org;
let made: Made;

beforeAll(async () => {
  const settings = {
    ...SETTINGS,
    ...{ providerCalls: 4000, tenantCalls: 2000, orgCalls: 2000, admissionWaitMs: 60_000 },
  };
  replicas = await startReplicas(settings, settings, settings);
  const [first] = replicas as readonly [TestService];
  org = await first.createOrg('founder', undefined, { provider: false });
  made = await create(first, org, first.upstream);
}, 120_000);

afterAll(() => stopReplicas(replicas));

const body = { max_completion_tokens: OUTPUT_TOKENS };

/** The bound of one call, which the provider then reports as usage, so that held and used amounts are equal. */
async function boundOfCall(): Promise<{ readonly inputTokens: number; readonly picoUsd: number }> {
  const [first] = replicas as readonly [TestService];
  const prompt = (request: UpstreamRequest): number => Number(/"seed":(\d+)/.exec(request.body.toString())?.[1] ?? 1);
  first.upstream.otherwise = (request) => ({
    kind: 'body',
    body: completion({ usage: usageOf(prompt(request), OUTPUT_TOKENS) }),
  });
  const { token } = await createToken(first, org, made.gateway.id, {
    name: 'probe',
    rateLimit: { tokens: { limit: 100_000, window: 'MONTH' } },
  });
  expect((await chat(first, made.gateway.id, token, { ...body, seed: 10 })).status).toBe(200);
  const [row] = await first.sql<{ tokens: string; cost: string }>(
    `SELECT reserved_input_tokens AS tokens, reserved_cost_pico_usd AS cost FROM usage_records
     WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1`,
    [org.tenantId],
  );
  return { inputTokens: Number(row!.tokens), picoUsd: Number(row!.cost) };
}

it('admits exactly as many calls as there is room for', async () => {
  const [first] = replicas as readonly [TestService];
  const { inputTokens, picoUsd } = await boundOfCall();
  const tokens = inputTokens + OUTPUT_TOKENS;
  // A little more than the room for those calls, but less than for one more.
  const kinds = [
    ['token', { requests: { limit: ROOM, window: 'MONTH' } }],
    ['token', { tokens: { limit: tokens * ROOM + 1, window: 'DAY' } }],
    ['token', { cost: { limit: Math.floor((picoUsd * ROOM) / 1e6) + 1, window: 'MONTH' } }],
    ['gateway', { requests: { limit: ROOM, window: 'DAY' } }],
    ['gateway', { tokens: { limit: tokens * ROOM + 1, window: 'MONTH' } }],
    ['gateway', { cost: { limit: Math.floor((picoUsd * ROOM) / 1e6) + 1, window: 'DAY' } }],
  ] as const;
  for (const count of [1, 3]) {
    for (const [index, [holder, rateLimit]] of kinds.entries()) {
      const name = `${holder}-${index}-of-${count}`;
      const own = await create(first, org, first.upstream, {
        name,
        ...(holder === 'gateway' ? { rateLimit } : {}),
      });
      const { id } = own.gateway;
      const token = holder === 'gateway' ? own.token : (await createToken(first, org, id, { name, rateLimit })).token;
      const before = first.upstream.requests.length;
      const answers = await Promise.all(
        Array.from({ length: CALLS }, (_, place) =>
          chat(replicas[place % count]!, id, token, { ...body, seed: inputTokens }),
        ),
      );
      const statuses = answers.map(({ status }) => status);
      const passed = statuses.filter((status) => status === 200).length;
      const refused = statuses.filter((status) => status === 429).length;
      expect({ name, passed, refused }).toEqual({ name, passed: ROOM, refused: CALLS - ROOM });
      expect(answers.every(({ status, headers }) => status === 200 || Number(headers['retry-after']) >= 1)).toBe(true);
      expect(first.upstream.requests.length - before).toBe(ROOM);
      await eventually(async () => {
        const rows = await first.sql<{ calls: string }>(
          "SELECT count(*) AS calls FROM usage_records WHERE gateway_id = $1 AND outcome = 'OK'",
          [id],
        );
        expect(rows).toEqual([{ calls: String(ROOM) }]);
      });
    }
  }
}, 300_000);
