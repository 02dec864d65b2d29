/**
 * A caller with enough left is never refused because of what its own open calls hold: one after another or many at once, on one
 * replica and on three. When the limit is used up, the caller gets an error, and its tenant's webhooks get one event.
 */
import { UPSTREAM_MODEL, completion, usageOf, type UpstreamRequest } from '../support/openai-upstream.js';
import { ProofCluster } from '../support/proof-cluster.js';
import { inForm } from '../support/proof-form.js';
import { units, type CountedType } from '../support/proof-limits.js';
import type { Answer } from '../support/service.js';
import { clearLedger } from '../http/ledger.js';
import { openaiError } from '../http/refusals.js';

const REPLICAS = 3;
const SEQUENTIAL = inForm(40, 200);
const PARALLEL = 30;
/** What each call uses; it gets up to 4,096 tokens of output, since it names no limit. */
const INPUT = 20;
const OUTPUT = 180;
/** The most that the prompt below can count; most of it is what a server may add before it. */
const PROMPT_BOUND = 1200;
/** The amounts that a call uses of each type. */
const TAKEN: Readonly<Record<CountedType, number>> = {
  token_cnt: INPUT + OUTPUT,
  request_cnt: 1,
  cost_micros: OUTPUT * 20,
};

/** An output token costs 20 micro-dollars and a prompt nothing. */
const MODELS = [
  {
    id: UPSTREAM_MODEL,
    context_tokens: 100_000,
    max_output_tokens: 10_000,
    output_field: 'max_completion_tokens',
    family: 'o200k',
    price: { input: 0, output: 20 },
  },
];

let cluster: ProofCluster;

beforeAll(async () => {
  cluster = await ProofCluster.start({ processes: REPLICAS, env: { GATEHOUSE_MODELS: JSON.stringify(MODELS) } });
  const { admin, org } = cluster;
  await admin.sql(
    "INSERT INTO webhook_endpoints (id, tenant_id, url, created_by) VALUES ('we_1', $1, 'https://hooks.invalid/', 'ann')",
    [org.tenantId],
  );
  await admin.sql("INSERT INTO webhook_subscriptions VALUES ($1, 'we_1', 'usage.limit_exceeded')", [org.tenantId]);
}, 120_000);

afterAll(() => cluster.stop());

beforeEach(async () => {
  cluster.admin.upstream.reset();
  cluster.admin.upstream.otherwise = ({ body }: UpstreamRequest) => {
    const { max_completion_tokens: most = Infinity } = JSON.parse(body.toString()) as {
      max_completion_tokens?: number;
    };
    return { kind: 'body', body: completion({ usage: usageOf(INPUT, Math.min(OUTPUT, most)) }) };
  };
  await clearLedger(cluster.admin);
});

const call = (human: string, replica: number): Promise<Answer> =>
  cluster.processes[replica]!.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': cluster.secret.key, 'x-human-id': human },
    body: JSON.stringify({ model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Say hello.' }] }),
  });

const told = async (): Promise<number> =>
  (await cluster.admin.sql("SELECT 1 FROM webhook_events WHERE type = 'usage.limit_exceeded'")).length;

/** The amounts below which no call fits. */
const TOO_LITTLE: Readonly<Record<CountedType, bigint>> = {
  token_cnt: units(PROMPT_BOUND + 1),
  request_cnt: units(1),
  cost_micros: units(20),
};

describe.each([1, REPLICAS])('one caller after the other, on %i replicas', (replicas) => {
  it.each([
    ['token_cnt', 5000],
    ['token_cnt', SEQUENTIAL * (INPUT + OUTPUT) + PROMPT_BOUND],
    ['request_cnt', SEQUENTIAL],
    ['cost_micros', SEQUENTIAL * OUTPUT * 20],
  ] as const)(
    'is admitted until too little of %s is left of %i',
    async (type, value) => {
      const human = `${type}-${value}-on-${replicas}`;
      await cluster.limit(human, { [type]: units(value) });
      const before = await told();
      let answer = await call(human, 0);
      let passed = 0;
      for (; answer.status === 200; passed += 1) answer = await call(human, (passed + 1) % replicas);
      expect(openaiError(answer, 429)).toMatchObject({ type: 'usage_limit_exceeded' });
      const { left, reserved } = await cluster.account(human, type);
      expect({ reserved, isTooLittle: left! < TOO_LITTLE[type] }).toEqual({ reserved: 0n, isTooLittle: true });
      const spare = Number(TOO_LITTLE[type] / units(1));
      expect(passed).toBeGreaterThanOrEqual(Math.floor((value - spare) / TAKEN[type]));
      expect((await call(human, 0)).status).toBe(429);
      expect(await told()).toBe(before + 1);
    },
    600_000,
  );
});

it.each([1, REPLICAS])(
  `admits ${PARALLEL} parallel callers of one human who fit together, on %i replicas`,
  async (replicas) => {
    const human = `parallel-on-${replicas}`;
    // Room for twelve at a time, by the bound of each.
    await cluster.limit(human, { token_cnt: units(50_000) });
    const before = await told();
    const answers = await Promise.all(Array.from({ length: PARALLEL }, (_, index) => call(human, index % replicas)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: PARALLEL }, () => 200));
    expect(await told()).toBe(before);
  },
  120_000,
);
