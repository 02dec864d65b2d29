import type { IncomingHttpHeaders } from 'node:http';

/** A caller's place in a trace, as W3C's Trace Context spells it. */
export interface TraceContext {
  readonly traceId: string;
  readonly traceparent: string;
  readonly tracestate: string | null;
}

/** This version or a later one; a later version's extra fields are ignored. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:$|-)/;
/** The length that a receiver must at least pass on; a longer state is dropped. */
const MOST_OF_STATE = 512;
const MOST_OF_PARENT = 128;
const STATE = /^[\x20-\x7e\t]+$/;

/** Null: the header is absent or malformed. */
export function traceContextOf(headers: IncomingHttpHeaders): TraceContext | null {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== 'string' || traceparent.length > MOST_OF_PARENT) return null;
  const traceId = TRACEPARENT.exec(traceparent)?.[1];
  if (traceId === undefined) return null;
  const state = typeof tracestate === 'string' && tracestate.length <= MOST_OF_STATE && STATE.test(tracestate);
  return { traceId, traceparent, tracestate: state ? tracestate : null };
}

/** Names and values in turn. */
export function headersOf({ traceparent, tracestate }: Omit<TraceContext, 'traceId'>): readonly string[] {
  return tracestate === null ? ['traceparent', traceparent] : ['traceparent', traceparent, 'tracestate', tracestate];
}
