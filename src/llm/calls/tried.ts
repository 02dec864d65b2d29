import type { ModelFacts } from '../models/model-facts.js';
import type { TracedTry } from '../../platform/tracing/index.js';
import type { Target } from '../routing/route.js';

/** One try of a call: a row of the ledger. */
export interface Tried {
  readonly id: string;
  /** From 1. */
  readonly number: number;
  readonly target: Target;
  /** As the target's provider is asked for it. */
  readonly model: string;
  readonly facts: ModelFacts | null;
  readonly startedAtMs: number;
  /** When its provider was asked; null: it was not. */
  sentAtMs: number | null;
  /** When the first of its answer was there for the caller. */
  firstByteAtMs: number | null;
  /** Null: it leaves no span. */
  span: TracedTry | null;
}
