/** Of N parallel calls against room for M exactly M pass: over several processes, however their human comes to them. */
import { UPSTREAM_MODEL } from '../support/openai-upstream.js';
import { ProofCluster } from '../support/proof-cluster.js';
import { inForm } from '../support/proof-form.js';
import { units } from '../support/proof-limits.js';
import type { Answer } from '../support/service.js';
import { clearLedger, settledCalls } from '../http/ledger.js';
import { openaiError } from '../http/refusals.js';

const CALLS = 1000;
const ROOM = 100;
const REPEATS = inForm(1, 20);

let cluster: ProofCluster;

beforeAll(async () => {
  cluster = await ProofCluster.start({ processes: 4 });
}, 120_000);

afterAll(() => cluster.stop(), 60_000);

beforeEach(async () => {
  cluster.admin.upstream.reset();
  await clearLedger(cluster.admin);
});

const BODY = JSON.stringify({ model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] });

/** All at once: by turns over the processes, and on each process over all ways. */
function callAll(human: string, calls: number, processes: number): Promise<Answer[]> {
  const { ways } = cluster;
  const headers = ways.map((way) => way.headersFor(human));
  return Promise.all(
    Array.from({ length: calls }, (_, index) =>
      cluster.processes[index % processes]!.call('POST', '/v1/chat/completions', {
        headers: headers[Math.floor(index / processes) % ways.length]!,
        body: BODY,
      }),
    ),
  );
}

it('charges one counter, whichever way its human comes', async () => {
  const { ways } = cluster;
  await cluster.limit('everywhere', { request_cnt: units(ways.length) });
  const callEach = (): Promise<Answer[]> =>
    Promise.all(
      ways.map((way, index) =>
        cluster.processes[index % 4]!.call('POST', '/v1/chat/completions', {
          headers: way.headersFor('everywhere'),
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
  it(`lets exactly ${ROOM} of ${CALLS} parallel calls pass, and nothing of the others goes upstream, ${REPEATS} times`, async () => {
    const { admin } = cluster;
    for (let repeat = 0; repeat < REPEATS; repeat += 1) {
      const human = `of-${processes}-in-${repeat}`;
      await cluster.limit(human, { request_cnt: units(ROOM) });
      const answers = await callAll(human, CALLS, processes);
      const refused = answers.filter(({ status }) => status !== 200);
      expect(answers.length - refused.length).toBe(ROOM);
      for (const answer of refused) {
        expect(openaiError(answer, 429)).toMatchObject({ type: 'usage_limit_exceeded' });
        expect(answer.headers['x-should-retry']).toBe('false');
      }
      expect(admin.upstream.requests).toHaveLength(ROOM);
      const rows = await settledCalls(admin, ROOM);
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
