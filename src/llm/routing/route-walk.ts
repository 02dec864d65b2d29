import { Fault } from '../../platform/errors/index.js';
import type { ProviderFailure } from '../providers/provider.js';
import { reasonOf, retryAfterMsOf } from './retry-reason.js';
import type { PlannedTarget, Route, RoutePlan } from './route.js';

/** Before the second try of a target; doubled for each further one. A random part of up to a half is left out. */
const FIRST_PAUSE_MS = 200;
const MOST_PAUSE_MS = 4_000;
/** A target that asks for a longer rest is not tried again by this call. */
const MOST_REST_MS = 10_000;
/** Bounds the time of one call, whatever a route says. */
const MOST_TRIES = 12;

/** The way of one call through a route's targets: which is asked first, which next, and when none follows. */
export class RouteWalk {
  private place = -1;
  private triesHere = 0;
  private tries = 0;

  private constructor(
    private readonly plan: RoutePlan,
    private readonly order: readonly PlannedTarget[],
    private readonly endsAtMs: number,
  ) {}

  /**
   * @param endsAtMs when no further try begins any more
   * @throws Fault unavailable: every target is passed over at present
   */
  static begin({ name }: Route, plan: RoutePlan, nowMs: number, endsAtMs: number): RouteWalk {
    const walk = new RouteWalk(plan, orderOf(plan), endsAtMs);
    if (walk.moveOn(nowMs)) return walk;
    const waitMs = Math.min(...plan.targets.map(({ circuit }) => circuit.waitMs(nowMs)));
    throw new Fault(
      'unavailable',
      `Every target of the route ${name ?? ''} failed several times in a row and is paused for a moment. ` +
        'Try again after the time in Retry-After, or add a target to the route.',
      { code: 'route_unavailable', retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) },
    );
  }

  get target(): PlannedTarget {
    const target = this.order[this.place];
    if (target === undefined) throw new RangeError('The walk has no target.');
    return target;
  }

  /** @returns the pause before the next try, of this target or the next one; null: none follows */
  next(failure: ProviderFailure, nowMs: number): number | null {
    const { plan } = this;
    const reason = reasonOf(failure);
    if (reason === null || !plan.on.has(reason) || this.tries >= MOST_TRIES) return null;
    const pauseMs = this.pauseMs(failure);
    const mayStay = reason !== 'CREDENTIAL' && pauseMs !== null && nowMs + pauseMs < this.endsAtMs;
    if (mayStay && this.triesHere < plan.attempts && this.target.circuit.admits(nowMs)) {
      this.triesHere += 1;
      this.tries += 1;
      return pauseMs;
    }
    return nowMs < this.endsAtMs && this.moveOn(nowMs) ? 0 : null;
  }

  /** Null: the target asks for a rest that is too long to wait for. */
  private pauseMs(failure: ProviderFailure): number | null {
    const restMs = retryAfterMsOf(failure, Date.now());
    if (restMs > MOST_REST_MS) return null;
    const most = Math.min(FIRST_PAUSE_MS * 2 ** (this.triesHere - 1), MOST_PAUSE_MS);
    return restMs + most * (1 - Math.random() / 2);
  }

  /** @returns false: there is no further target that may be asked */
  private moveOn(nowMs: number): boolean {
    for (this.place += 1; this.place < this.order.length; this.place += 1) {
      if (!this.target.circuit.admits(nowMs)) continue;
      this.triesHere = 1;
      this.tries += 1;
      return true;
    }
    this.place = this.order.length - 1;
    return false;
  }
}

/** Whose turn it is comes first; the others follow in their order, to fall back to. */
function orderOf({ targets, turns }: RoutePlan): readonly PlannedTarget[] {
  const turn = turns?.next(targets.map(({ place }) => place)) ?? null;
  const first = targets.find(({ place }) => place === turn);
  return first === undefined ? targets : [first, ...targets.filter((target) => target !== first)];
}
