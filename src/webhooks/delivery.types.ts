import type { StoredSecret } from './webhook-secrets.js';

/** A delivery that this process may attempt until its claim runs out. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly tenantId: string;
  readonly endpointId: string;
  readonly url: string;
  readonly eventId: string;
  readonly type: string;
  /** JSON text, with the human's name if the human still exists. */
  readonly payload: string;
  /** From 1. */
  readonly attempt: number;
  /** The secrets to sign with, newest first. */
  readonly secrets: readonly StoredSecret[];
}

/**
 * - `UNREACHABLE`: no connection could be made, or the address is not allowed. One word for both, since the difference would
 *   reveal the operator's network.
 * - `TIMEOUT`: no answer in time.
 * - `BROKEN`: the connection ended before an answer, or the answer is not HTTP.
 * - `REDIRECT`: an answer 3xx; it is not followed.
 * - `REFUSED`: any other answer that is not 2xx.
 * - `GONE`: 410, which also disables the endpoint.
 * - `INTERNAL`: our own failure; nothing was sent.
 */
export type DeliveryError = 'UNREACHABLE' | 'TIMEOUT' | 'BROKEN' | 'REDIRECT' | 'REFUSED' | 'GONE' | 'INTERNAL';

export interface AttemptOutcome {
  readonly statusCode: number | null;
  /** Null: the receiver accepted it. */
  readonly error: DeliveryError | null;
}
