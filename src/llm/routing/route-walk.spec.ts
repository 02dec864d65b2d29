import { Fault, type ErrorCode } from '../../platform/errors/index.js';
import { ModelCatalogue } from '../models/model-catalogue.js';
import type { Provider, ProviderFailure } from '../providers/provider.js';
import { Circuit } from './circuit.js';
import { RETRY_REASONS, reasonOf, retryAfterMsOf, type RetryReason } from './retry-reason.js';
import type { PlannedTarget, Route, RoutePlan } from './route.js';
import { RouteWalk } from './route-walk.js';
import { WeightedTurns } from './weighted-turns.js';

const NOW = 1_000_000;
const CIRCUITS = { circuitFailures: 3, circuitOpenMs: 1_000 };

const refused = (status: number, retryAfter?: string): ProviderFailure => ({
  outcome: 'UPSTREAM_ERROR',
  error: {
    status,
    headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
    body: { type: 't', message: 'm', error: { message: 'm', type: 't', param: null, code: null } },
  },
});
const failed = (
  outcome: ProviderFailure['outcome'],
  code?: ErrorCode,
  kind: Fault['kind'] = 'upstream_failed',
): ProviderFailure => ({ outcome, error: new Fault(kind, 'm', { code }) });

function target(name: string, place: number): PlannedTarget {
  const provider: Provider = {
    name,
    kind: 'stage',
    operations: new Set(['chat']),
    catalogue: ModelCatalogue.of(name, []),
    start: () => {
      throw new Error('Nothing is sent here.');
    },
  };
  return { provider, model: name, place, circuit: new Circuit(CIRCUITS) };
}

function routeOf(names: readonly string[], plan: Partial<RoutePlan> = {}): Route & { readonly plan: RoutePlan } {
  const targets = names.map(target) as [PlannedTarget, ...PlannedTarget[]];
  return {
    name: 'careful',
    targets,
    plan: { targets, turns: null, attempts: 1, on: new Set(RETRY_REASONS), ...plan },
  };
}

const begin = (route: ReturnType<typeof routeOf>, nowMs = NOW): RouteWalk =>
  RouteWalk.begin(route, route.plan, nowMs, NOW + 600_000);

describe('a walk through a route', () => {
  it('tries each target as often as the route says, with longer and longer pauses, and then the next one at once', () => {
    const walk = begin(routeOf(['a', 'b'], { attempts: 3 }));
    const seen = [];
    for (let pause: number | null = 0; pause !== null; pause = walk.next(refused(500), NOW))
      seen.push([walk.target.model, pause]);
    expect(seen.map(([model]) => model)).toEqual(['a', 'a', 'a', 'b', 'b', 'b']);
    const pauses = seen.map(([, pause]) => Number(pause));
    for (const [at, most] of [
      [1, 200],
      [2, 400],
      [4, 200],
      [5, 400],
    ] as const) {
      expect(pauses[at]).toBeGreaterThan(most / 2);
      expect(pauses[at]).toBeLessThanOrEqual(most);
    }
    expect([pauses[0], pauses[3]]).toEqual([0, 0]);
  });

  it('waits as long as the provider asks, and continues with the next target where that is too long', () => {
    const walk = begin(routeOf(['a', 'b'], { attempts: 3 }));
    expect(walk.next(refused(429, '2'), NOW)).toBeGreaterThanOrEqual(2_000);
    expect(walk.next(refused(429, '30'), NOW)).toBe(0);
    expect(walk.target.model).toBe('b');
    expect(walk.next(refused(429, '30'), NOW)).toBeNull();
  });

  it('ends when the total time of the call is over', () => {
    const walk = begin(routeOf(['a', 'b'], { attempts: 3 }));
    expect(walk.next(refused(500), NOW + 600_000)).toBeNull();
  });

  it('follows only the failures that the route names', () => {
    const on = new Set<RetryReason>(['RATE_LIMIT']);
    expect(begin(routeOf(['a', 'b'], { on })).next(refused(500), NOW)).toBeNull();
    expect(begin(routeOf(['a', 'b'], { on })).next(refused(429), NOW)).toBe(0);
    expect(begin(routeOf(['a', 'b'])).next(refused(400), NOW)).toBeNull();
  });

  it('does not show the same credential again to a provider that refused it', () => {
    const walk = begin(routeOf(['a', 'b'], { attempts: 3 }));
    expect(walk.next(failed('UPSTREAM_ERROR', 'provider_authentication_failed'), NOW)).toBe(0);
    expect(walk.target.model).toBe('b');
  });

  it('never tries more than twelve times', () => {
    const walk = begin(routeOf(['a', 'b', 'c', 'd'], { attempts: 5 }));
    let tries = 1;
    while (walk.next(refused(500), NOW) !== null) tries += 1;
    expect(tries).toBe(12);
  });

  it('skips a target whose circuit is open, and refuses where all are', () => {
    const route = routeOf(['a', 'b']);
    for (let i = 0; i < 3; i += 1) route.plan.targets[0].circuit.failed(NOW, 0);
    expect(begin(route).target.model).toBe('b');
    for (let i = 0; i < 3; i += 1) route.plan.targets[1]!.circuit.failed(NOW, 0);
    expect(() => begin(route)).toThrow(
      expect.objectContaining({ kind: 'unavailable', code: 'route_unavailable', retryAfterSeconds: 1 }) as Error,
    );
    // One is tried again then.
    expect(begin(route, NOW + 1_000).target.model).toBe('a');
  });

  it('gives each target its share of the calls by weight, and falls back to the others in order', () => {
    const route = routeOf(['a', 'b', 'c'], { turns: new WeightedTurns([6, 3, 1]) });
    const first = Array.from({ length: 100 }, () => begin(route).target.model);
    const counts = ['a', 'b', 'c'].map((name) => first.filter((model) => model === name).length);
    expect(counts).toEqual([60, 30, 10]);
    // Ten calls in a row already have these shares.
    expect(first.slice(0, 10).filter((model) => model === 'b')).toHaveLength(3);
    const turns = new WeightedTurns([0, 1, 0]);
    const walk = begin(routeOf(['a', 'b', 'c'], { turns }));
    const order = [walk.target.model];
    while (walk.next(refused(500), NOW) !== null) order.push(walk.target.model);
    expect(order).toEqual(['b', 'a', 'c']);
  });

  it('divides the turns of targets that can’t be asked among the others by their weights', () => {
    const whole = routeOf(['a', 'b', 'c'], { turns: new WeightedTurns([6, 3, 1]) });
    const [, ...some] = whole.plan.targets;
    const targets = some as unknown as [PlannedTarget, ...PlannedTarget[]];
    const part = { ...whole, targets, plan: { ...whole.plan, targets } };
    const first = Array.from({ length: 40 }, () => begin(part).target.model);
    expect(['b', 'c'].map((name) => first.filter((model) => model === name).length)).toEqual([30, 10]);
    const weightless = { ...part, plan: { ...part.plan, turns: new WeightedTurns([1, 0, 0]) } };
    expect(begin(weightless).target.model).toBe('b');
  });
});

describe('a circuit', () => {
  const fail = (circuit: Circuit, times: number, nowMs = NOW, restMs = 0): void => {
    for (let i = 0; i < times; i += 1) circuit.failed(nowMs, restMs);
  };

  it('opens after a number of failures in a row, and a success between them restarts the count', () => {
    const circuit = new Circuit(CIRCUITS);
    fail(circuit, 2);
    circuit.succeeded();
    fail(circuit, 2);
    expect(circuit.admits(NOW)).toBe(true);
    fail(circuit, 1);
    expect(circuit.admits(NOW)).toBe(false);
  });

  it('lets one probe through after its time, closes on its success, and opens again on its failure', () => {
    const circuit = new Circuit(CIRCUITS);
    fail(circuit, 3);
    expect([NOW + 999, NOW + 1_000, NOW + 1_001].map((at) => circuit.admits(at))).toEqual([false, true, false]);
    fail(circuit, 1, NOW + 1_500);
    expect([NOW + 2_499, NOW + 2_500].map((at) => circuit.admits(at))).toEqual([false, true]);
    circuit.succeeded();
    expect([circuit.isOpen, circuit.admits(NOW + 2_500)]).toEqual([false, true]);
  });

  it('sends the next probe after the same time where one never ends', () => {
    const circuit = new Circuit(CIRCUITS);
    fail(circuit, 3);
    expect([NOW + 1_000, NOW + 1_999, NOW + 2_000].map((at) => circuit.admits(at))).toEqual([true, false, true]);
  });

  it('stays open as long as the target asks, up to a minute, and reports once that it opened', () => {
    let opened = 0;
    const circuit = new Circuit(CIRCUITS, () => (opened += 1));
    fail(circuit, 3, NOW, 30_000);
    expect([circuit.admits(NOW + 29_999), circuit.waitMs(NOW)]).toEqual([false, 30_000]);
    fail(circuit, 1, NOW, 86_400_000);
    expect([circuit.admits(NOW + 59_999), circuit.admits(NOW + 60_000), opened]).toEqual([false, true, 1]);
  });
});

describe('the reason to retry after', () => {
  it.each<[string, ProviderFailure, RetryReason | null]>([
    ['429', refused(429), 'RATE_LIMIT'],
    ['408', refused(408), 'TIMEOUT'],
    ['500', refused(500), 'SERVER_ERROR'],
    ['529', refused(529), 'SERVER_ERROR'],
    ['400', refused(400), null],
    ['404', refused(404), null],
    ['an answer that broke off', failed('UPSTREAM_BROKEN', 'upstream_broken'), 'SERVER_ERROR'],
    ['no answer in time', failed('UPSTREAM_TIMEOUT', undefined, 'upstream_timeout'), 'TIMEOUT'],
    ['no connection', failed('UPSTREAM_ERROR', 'upstream_unreachable'), 'CONNECT_ERROR'],
    ['a refused credential', failed('UPSTREAM_ERROR', 'provider_authentication_failed'), 'CREDENTIAL'],
    ['a shutdown', failed('SHUTDOWN', 'server_shutting_down', 'unavailable'), null],
    ['a request that the provider can’t take', failed('NOT_SENT', undefined, 'invalid_input'), null],
  ])('%s', (_what, failure, reason) => {
    expect(reasonOf(failure)).toBe(reason);
  });

  it('reads Retry-After as seconds or as a date, and ignores anything else', () => {
    const at = Date.parse('2026-01-01T00:00:00Z');
    const said = ['7', '0.5', 'Thu, 01 Jan 2026 00:00:09 GMT', 'Wed, 31 Dec 2025 00:00:00 GMT', 'soon', '-1'];
    expect(said.map((value) => retryAfterMsOf(refused(429, value), at))).toEqual([7000, 500, 9000, 0, 0, 0]);
    expect(retryAfterMsOf(refused(500), at)).toBe(0);
  });
});
