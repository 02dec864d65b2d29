/**
 * Postgres freezes under load. Requests meanwhile get 503 with a time to retry, and no call goes upstream without a record.
 * Once Postgres continues, the service serves again, and the counts are exact.
 */
import { markerOf, type ChaosCall } from '../support/chaos-call.js';
import { FreezablePostgres } from '../support/chaos-postgres.js';
import { ChaosWorld, measured, type ChaosProcess, type LimitedHuman } from '../support/chaos-world.js';
import { eventually, pause } from '../support/eventually.js';
import { isCallOf } from '../support/postgres-proxy.js';
import { inForm, WHOLE } from '../support/proof-form.js';

/** A reservation waits 3 s before it is refused. */
const FROZEN_MS = inForm(7_000, 10_000);
/** New callers arrive at this interval, beside those who wait. */
const NEWCOMER_EVERY_MS = 100;
const CALLERS = 16;
const RECOVERED_WITHIN_MS = inForm(30_000, 5_000);
const LIMITS = { request_cnt: 1_000_000, token_cnt: 1_000_000_000 };
/** The tokens that the upstream reports of each call. */
const TOKENS = 9 + 12;

let postgres: FreezablePostgres;
let world: ChaosWorld;
let services: readonly ChaosProcess[] = [];
let humans: readonly LimitedHuman[] = [];

beforeAll(async () => {
  postgres = await FreezablePostgres.start();
  world = await ChaosWorld.start(postgres.database);
}, 90_000);

afterAll(async () => {
  await world.stop();
  await postgres.remove();
});

/** Callers that call again and again, streamed and not, until they are told to stop. */
class Load {
  readonly calls: ChaosCall[] = [];
  private stopped = false;
  private readonly callers: Promise<void>[];

  constructor() {
    this.callers = Array.from({ length: CALLERS }, (_, index) => this.askOn(index));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.callers);
  }

  get over(): ChaosCall[] {
    return this.calls.filter(({ isOver }) => isOver);
  }

  /** One more call, independent of the others. */
  ask(index: number, turn: number): ChaosCall {
    const service = services[index % services.length]!;
    const call = world.call(service, humans[(index + turn) % humans.length]!, { stream: turn % 2 === 0 });
    this.calls.push(call);
    return call;
  }

  private async askOn(index: number): Promise<void> {
    for (let turn = 0; !this.stopped; turn += 1) {
      const call = await this.ask(index, turn).over();
      if (call.status !== 200) await pause(50);
    }
  }
}

/** Freezes Postgres while a reservation is on its way. Postgres reads it when it continues, long after its caller was refused. */
async function freezeWithReservationUnderWay(): Promise<void> {
  let frozen = false;
  services[0]!.proxy.judge = (message) => {
    if (!frozen && isCallOf('admit_usage', message)) {
      postgres.freeze();
      frozen = true;
    }
    return 'pass';
  };
  await eventually(() => frozen);
}

/** A lease that is longer than the freeze, and a shorter one: then each process takes the other one for dead. */
const LEASES = WHOLE ? [20, 1] : [20];

it.each(LEASES)(
  'with leases of %d s: all are refused meanwhile, no call goes unrecorded, and afterwards all is exact',
  async (lease) => {
    world.upstream.reset();
    const env = { GATEHOUSE_LEASE_SECONDS: String(lease) };
    services = [await world.process(env), await world.process(env)];
    humans = await Promise.all([LIMITS, LIMITS, LIMITS, LIMITS].map((limits) => world.limitedHuman(limits)));
    const load = new Load();
    await eventually(() => load.over.length > 200);
    expect(load.over.filter(({ status }) => status !== 200)).toEqual([]);

    await freezeWithReservationUnderWay();
    const frozenAt = performance.now();
    // On a busy machine it takes longer until enough of them were refused.
    const refused = (): number => load.over.filter(({ startedAt }) => startedAt > frozenAt).length;
    const isFrozenFor = (ms: number): boolean => performance.now() < frozenAt + ms;
    for (let turn = 0; isFrozenFor(FROZEN_MS) || (refused() <= CALLERS && isFrozenFor(60_000)); turn += 1) {
      load.ask(turn, turn);
      await pause(NEWCOMER_EVERY_MS);
    }
    const thawedAt = performance.now();
    postgres.thaw();

    const sinceThaw = (): ChaosCall[] => load.over.filter(({ startedAt }) => startedAt > thawedAt);
    await eventually(
      () =>
        sinceThaw().slice(-200).length === 200 &&
        sinceThaw()
          .slice(-200)
          .every(({ status }) => status === 200),
      30_000,
    );
    await load.stop();
    await eventually(() => load.calls.every(({ isOver }) => isOver));

    const meanwhile = load.over.filter(({ startedAt, endedAt }) => startedAt > frozenAt && endedAt < thawedAt);
    expect(meanwhile.length).toBeGreaterThan(CALLERS / 2);
    for (const { status, headers } of meanwhile) {
      expect(status).toBe(503);
      expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
    }
    for (const { status } of load.calls) expect([200, 503]).toContain(status);
    const late = sinceThaw().filter(({ status }) => status !== 200);
    const recoveredMs = Math.max(0, ...late.map(({ endedAt }) => endedAt - thawedAt));
    const firstMs = Math.min(
      ...load.over
        .filter(({ status, endedAt }) => status === 200 && endedAt > thawedAt)
        .map(({ endedAt }) => endedAt - thawedAt),
    );
    measured(
      `leases of ${lease} s, Postgres frozen (ms), refused meanwhile, served before and after`,
      `${FROZEN_MS}, ${meanwhile.length}, ${load.calls.filter(({ status }) => status === 200).length}`,
    );
    measured(
      'ms from its return to the first answer, to the last refusal',
      `${Math.round(firstMs)}, ${Math.round(recoveredMs)}`,
    );
    expect(recoveredMs).toBeLessThan(RECOVERED_WITHIN_MS);

    // The reservation of a refused call may have been written; it is released 10 s later.
    const rows = (await Promise.all(humans.map((human) => world.idle(human, 30_000)))).flat();
    if (lease > (thawedAt - frozenAt) / 1000) expect(rows.map(({ outcome }) => outcome)).toContain('NOT_SENT');
    const sent = world.upstream.requests.map(markerOf);
    expect(new Set(sent).size).toBe(sent.length);
    const governed = new Set(
      rows.filter(({ kind, outcome }) => kind === 'CALL' && outcome !== 'NOT_SENT').map((row) => row.request_id),
    );
    expect(sent.filter((marker) => !governed.has(marker))).toEqual([]);
    expect([...governed].filter((marker) => !sent.includes(marker))).toEqual([]);
    const served = load.calls.filter(({ status }) => status === 200).map(({ marker }) => marker);
    expect(sent.sort()).toEqual(served.sort());
    // Calls that were swept meanwhile and then corrected add up correctly too.
    const used = rows.reduce((sum, row) => sum + row.input_tokens + row.output_tokens, 0);
    expect([used, rows.reduce((sum, { requests }) => sum + requests, 0)]).toEqual([TOKENS * sent.length, sent.length]);
    for (const human of humans) await world.assertExact(human);
    for (const service of services) await service.stop();
  },
  inForm(240_000, 1_800_000),
);
