import type { IncomingHttpHeaders } from 'node:http';
import type { Settings } from '../config/index.js';
import type { RequestContext } from '../context/index.js';
import { headersOf, traceContextOf } from './trace-context.js';

export type TracingSettings = Pick<
  Settings,
  'otelDisabled' | 'otelTracesExporter' | 'otelEndpoint' | 'otelTracesEndpoint' | 'otelProtocol' | 'otelServiceName'
>;

/** The start of a try at a model provider. */
export interface TryStart {
  readonly operation: string;
  /** The provider's kind. */
  readonly kind: string;
  readonly model: string;
  readonly number: number;
  readonly streamed: boolean;
}

/** The outcome, in numbers; without prompts and answers. */
export interface TryEnd {
  readonly outcome: string;
  /** The provider's status; null: it did not answer. */
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
  /** The route as declared. */
  readonly route: string;
  readonly status: number;
  readonly aborted: boolean;
}

/**
 * A request's place in a trace. Without a collector no span is made: a caller's `traceparent` is only passed on to providers,
 * and the log names its trace.
 */
export class Tracing {
  /** Sets the request's trace, and the headers that its calls to providers carry. */
  begin(context: RequestContext, headers: IncomingHttpHeaders, _method: string): void {
    if (headers.traceparent === undefined) return;
    const given = traceContextOf(headers);
    if (given === null) return;
    context.traceId = given.traceId;
    context.traceHeaders = headersOf(given);
  }

  end(_context: RequestContext, _end: RequestEnd): void {
    // No span has begun.
  }

  /** Null: the try has no span. */
  beginTry(_start: TryStart): TracedTry | null {
    return null;
  }

  /** Sends the spans that are still here. */
  async stop(): Promise<void> {
    // Without a collector no span is waiting.
  }
}
