import type { Provider } from '../providers/provider.js';
import type { Circuit } from './circuit.js';
import type { RetryReason } from './retry-reason.js';
import type { WeightedTurns } from './weighted-turns.js';

/** Where a call can be sent. */
export interface Target {
  readonly provider: Provider;
  /** The provider's own name for the model; null: the one that the caller wrote. */
  readonly model: string | null;
}

/** The way of one call. */
export interface Route {
  /** As the tenant named it; null: the caller named a model. */
  readonly name: string | null;
  /** In their order. */
  readonly targets: readonly [Target, ...Target[]];
  /** How a call goes on where a target fails; null: it does not. */
  readonly plan: RoutePlan | null;
}

/** What a route that a tenant made says beside its targets. */
export interface RoutePlan {
  readonly targets: readonly [PlannedTarget, ...PlannedTarget[]];
  /** Which target goes first; null: the targets are tried in their order. */
  readonly turns: WeightedTurns | null;
  /** How often one target is tried. */
  readonly attempts: number;
  /** The failures after which another try follows. */
  readonly on: ReadonlySet<RetryReason>;
}

export interface PlannedTarget extends Target {
  /** By which its turn is told. */
  readonly place: number;
  readonly circuit: Circuit;
}

/** The name of the model as the target's provider is asked for it. */
export function modelAt(target: Target, asked: string): string {
  return target.model ?? asked;
}

/** The way of a call whose caller named a model: one target, tried once. */
export function straightTo(provider: Provider): Route {
  return { name: null, targets: [{ provider, model: null }], plan: null };
}
