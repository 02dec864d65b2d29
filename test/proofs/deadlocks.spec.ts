/**
 * Calls of random holders run on two processes, while budgets are set, raised and deleted, limits are set and usage is
 * reported. Postgres never has to resolve a deadlock.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { UPSTREAM_MODEL, completion, usageOf } from '../support/openai-upstream.js';
import { ProofCluster } from '../support/proof-cluster.js';
import { inForm } from '../support/proof-form.js';
import type { Answer, MadeKey } from '../support/service.js';

const LASTS_MS = inForm(8_000, 600_000);
const CALLERS = 24;
const CHANGERS = 6;
const HUMANS = 12;
const KEYS = 4;
const TYPES = ['request_cnt', 'token_cnt', 'cost_micros'];
const PERIODS = ['NONE', 'MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH'];
/** Sometimes enough, sometimes too little, sometimes too little for a single call. */
const MOST = 50_000;
const anyLimit = (): number => (randomInt(3) === 0 ? 0 : randomInt(MOST));

let cluster: ProofCluster;
let keys: MadeKey[];

beforeAll(async () => {
  cluster = await ProofCluster.start({ processes: 2 });
  const { admin, org } = cluster;
  keys = await Promise.all(
    Array.from({ length: KEYS }, () =>
      admin.createKey(org, { scopes: ['chat:write', 'usage:read', 'usage:write', 'humans:write'] }),
    ),
  );
  admin.upstream.otherwise = () => ({
    kind: 'body',
    body: completion({ usage: usageOf(10, randomInt(50)) }),
    delayMs: randomInt(30),
  });
}, 120_000);

afterAll(() => cluster.stop());

const one = <T>(of: readonly T[]): T => of[randomInt(of.length)]!;
const anyHuman = (): string => `human-${randomInt(HUMANS)}`;

const send = (path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  one(cluster.processes).call('POST', path, { headers: { 'x-api-key': one(keys).key, ...headers }, body });

function anyCall(): Promise<Answer> {
  const headers: Record<string, string> = randomInt(4) === 0 ? {} : { 'x-human-id': anyHuman() };
  const messages = [{ role: 'user', content: 'Hi' }];
  return send('/v1/chat/completions', { model: UPSTREAM_MODEL, messages, max_tokens: 60 }, headers);
}

const anyHolder = (): object => one([{ tenant: true }, { keyId: one(keys).keyId }, { human: anyHuman() }]);
const anyBudget = (): object => ({ holder: anyHolder(), type: one(TYPES), period: one(PERIODS) });

/** One change of rows that calls wait for. */
async function anyChange(): Promise<Answer> {
  const limit = String(anyLimit());
  switch (randomInt(6)) {
    case 0:
    case 1:
      return send('/api/v1/budgets/set', { ...anyBudget(), limit });
    case 2: {
      const until = new Date(Date.now() + randomInt(1, 5) * 1000).toISOString();
      return send('/api/v1/budgets/set', { ...anyBudget(), limit, raise: { by: String(randomInt(1, MOST)), until } });
    }
    case 3: {
      const listed = await send('/api/v1/budgets/list', { holder: anyHolder() });
      if (listed.status !== 200) return listed;
      const { budgets } = listed.json<{ budgets: { budgetId: string }[] }>();
      return budgets.length === 0 ? listed : send('/api/v1/budgets/delete', { budgetId: one(budgets).budgetId });
    }
    case 4: {
      const limits = [{ type: one(TYPES), value: one([null, anyLimit()]) }];
      return send('/v1/usage/token', { human: anyHuman(), limits });
    }
    default:
      return randomInt(8) === 0
        ? send('/api/v1/humans/delete', { human: anyHuman() })
        : send('/api/v1/usage/report', {
            ...{ type: 'conversational_seconds', value: 1, human: anyHuman(), idempotency_key: randomUUID() },
          });
  }
}

const deadlocks = async (): Promise<number> => {
  // Backends publish their counts now and then, and when they end.
  const [row] = await cluster.admin.sql<{ deadlocks: number }>(
    'SELECT deadlocks::int AS deadlocks FROM pg_stat_database WHERE datname = current_database()',
  );
  return row!.deadlocks;
};

it(
  `cause no deadlock in ${LASTS_MS / 1000} s`,
  async () => {
    const until = Date.now() + LASTS_MS;
    const statuses: Record<string, number> = {};
    const broken: string[] = [];
    const repeat = async (what: string, act: () => Promise<Answer>): Promise<void> => {
      while (Date.now() < until) {
        const { status, text } = await act();
        statuses[`${what} ${status}`] = (statuses[`${what} ${status}`] ?? 0) + 1;
        if (status === 500) broken.push(text);
      }
    };
    await Promise.all([
      ...Array.from({ length: CALLERS }, () => repeat('call', anyCall)),
      ...Array.from({ length: CHANGERS }, () => repeat('change', anyChange)),
    ]);
    expect(broken).toEqual([]);
    // Few calls are refused while so many budgets change: this budget makes sure of one.
    await send('/api/v1/budgets/set', { holder: { tenant: true }, type: 'request_cnt', period: 'NONE', limit: '0' });
    expect((await anyCall()).status).toBe(429);
    await Promise.all(cluster.processes.map((process) => process.stop()));
    expect(await deadlocks()).toBe(0);
    // All of it happened: calls that passed, and changes.
    expect(statuses['call 200']).toBeGreaterThan(0);
    expect(statuses['change 200']).toBeGreaterThan(20);
    // Once no call is open, no budget holds anything.
    expect(await cluster.admin.sql("SELECT 1 FROM usage_records WHERE state <> 'SETTLED'")).toEqual([]);
  },
  LASTS_MS + 120_000,
);
