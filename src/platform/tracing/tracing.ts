import type { IncomingHttpHeaders } from 'node:http';
import type { Settings } from '../config/index.js';
import type { RequestContext } from '../context/index.js';
import { headersOf, traceContextOf } from './trace-context.js';

export type TracingSettings = Pick<
  Settings,
  'otelDisabled' | 'otelTracesExporter' | 'otelEndpoint' | 'otelTracesEndpoint' | 'otelProtocol' | 'otelServiceName'
>;

/** A try of a model provider, as it begins. */
export interface TryStart {
  readonly operation: string;
  /** The provider's kind. */
  readonly kind: string;
  readonly model: string;
  readonly number: number;
  readonly streamed: boolean;
}

/** The outcome: numbers, and nothing of what was said. */
export interface TryEnd {
  readonly outcome: string;
  /** The provider's; null: it did not answer. */
  readonly status: number | null;
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly costUsd: number | null;
  readonly firstByteMs: number | null;
}

export interface TracedTry {
  end(end: TryEnd): void;
}

export interface RequestEnd {
  readonly method: string;
  /** As it is declared. */
  readonly route: string;
  readonly status: number;
  readonly aborted: boolean;
}

/**
 * Where a request stands in a trace. Without a collector no span is made: a caller's `traceparent` is only passed on to
 * providers, and the log names its trace.
 */
export class Tracing {
  /** Sets the request's trace, and what its calls to providers carry of it. */
  begin(context: RequestContext, headers: IncomingHttpHeaders, _method: string): void {
    if (headers.traceparent === undefined) return;
    const given = traceContextOf(headers);
    if (given === null) return;
    context.traceId = given.traceId;
    context.traceHeaders = headersOf(given);
  }

  end(_context: RequestContext, _end: RequestEnd): void {
    // No span was begun.
  }

  /** Null: it leaves no span. */
  beginTry(_start: TryStart): TracedTry | null {
    return null;
  }

  /** Sends what is left. */
  async stop(): Promise<void> {
    // Nothing is.
  }
}
