import type { IncomingHttpHeaders } from 'node:http';
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import { VERSION } from '../config/index.js';
import { currentRequestContext, type RequestContext } from '../context/index.js';
import { headersOf } from './trace-context.js';
import {
  Tracing,
  type RequestEnd,
  type TracedTry,
  type TracingSettings,
  type TryEnd,
  type TryStart,
} from './tracing.js';

const STOP_WITHIN_MS = 2000;

/** Kinds of provider by their names in the semantic conventions, where those name them. */
const PROVIDER_NAMES: Readonly<Record<string, string>> = {
  azure_openai: 'azure.ai.openai',
  google: 'gcp.gemini',
  mistral: 'mistral_ai',
  amazon_bedrock: 'aws.bedrock',
};
/** The conventions have no name for responses; a response is a turn of a chat by another route. */
const OPERATION_NAMES: Readonly<Record<string, string>> = { responses: 'chat' };

/**
 * Sends spans to a collector by OTLP over HTTP. OpenTelemetry's own variables set sampling, batching, headers and
 * time-outs.
 */
export async function openTelemetry(url: string, settings: TracingSettings): Promise<Tracing> {
  const resource = resourceFromAttributes({
    'service.name': settings.otelServiceName,
    'service.version': VERSION,
  }).merge(detectResources({ detectors: [envDetector] }));
  const provider = new BasicTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(await exporterTo(url, settings))],
  });
  return new SentTraces(provider);
}

async function exporterTo(url: string, { otelProtocol }: TracingSettings): Promise<SpanExporter> {
  if (otelProtocol === 'http/json') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
    return new OTLPTraceExporter({ url });
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter({ url });
}

/** A span for each request and for each try at a provider, by the conventions for HTTP and for generative AI. No prompts. */
class SentTraces extends Tracing {
  private readonly tracer: Tracer;
  private readonly propagator = new W3CTraceContextPropagator();
  /** The spans of open requests, by their context. */
  private readonly spans = new WeakMap<RequestContext, Span>();

  constructor(private readonly provider: BasicTracerProvider) {
    super();
    this.tracer = provider.getTracer('gatehouse', VERSION);
  }

  override begin(context: RequestContext, headers: IncomingHttpHeaders, method: string): void {
    const parent = this.propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    const span = this.tracer.startSpan(
      method,
      {
        kind: SpanKind.SERVER,
        attributes: { 'http.request.method': method, 'gatehouse.request.id': context.requestId },
      },
      parent,
    );
    this.spans.set(context, span);
    this.carry(context, trace.setSpan(parent, span), span);
  }

  override end(context: RequestContext, { method, route, status, aborted }: RequestEnd): void {
    const span = this.spans.get(context);
    if (span === undefined) return;
    span.setAttributes({
      'http.route': route,
      'http.response.status_code': status,
      ...(context.tenantId === undefined ? {} : { 'gatehouse.tenant.id': context.tenantId }),
      ...(aborted ? { 'error.type': 'aborted' } : {}),
    });
    span.updateName(`${method} ${route}`);
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  override beginTry({ operation, kind, model, number, streamed }: TryStart): TracedTry {
    const context = currentRequestContext();
    const parent = context === undefined ? undefined : this.spans.get(context);
    const around = parent === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, parent);
    const operationName = OPERATION_NAMES[operation] ?? operation;
    const span = this.tracer.startSpan(
      `${operationName} ${model}`,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          'gen_ai.operation.name': operationName,
          'gen_ai.provider.name': PROVIDER_NAMES[kind] ?? kind,
          'gen_ai.request.model': model,
          'gen_ai.request.stream': streamed,
          'gatehouse.try.number': number,
        },
      },
      around,
    );
    if (context !== undefined) this.carry(context, trace.setSpan(around, span), span);
    return { end: (end) => endTry(span, end) };
  }

  override async stop(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_WITHIN_MS);
    });
    // A collector that is away does not delay the stop.
    await Promise.race([this.provider.shutdown().catch(() => undefined), tooLate]);
    clearTimeout(timer);
  }

  /** Sets the trace headers that calls to providers carry from now on. */
  private carry(context: RequestContext, around: Context, span: Span): void {
    const carrier: { traceparent?: string; tracestate?: string } = {};
    this.propagator.inject(around, carrier, defaultTextMapSetter);
    const { traceparent, tracestate = null } = carrier;
    context.traceId = span.spanContext().traceId;
    if (traceparent !== undefined) context.traceHeaders = headersOf({ traceparent, tracestate });
  }
}

function endTry(span: Span, end: TryEnd): void {
  span.setAttributes({
    'gen_ai.usage.input_tokens': end.inputTokens,
    'gen_ai.usage.output_tokens': end.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': end.cachedInputTokens,
    'gen_ai.usage.reasoning.output_tokens': end.reasoningTokens,
    'gatehouse.outcome': end.outcome,
    ...(end.status === null ? {} : { 'http.response.status_code': end.status }),
    ...(end.costUsd === null ? {} : { 'gatehouse.cost_usd': end.costUsd }),
    ...(end.firstByteMs === null ? {} : { 'gen_ai.response.time_to_first_chunk': end.firstByteMs / 1000 }),
  });
  if (end.outcome !== 'OK') {
    span.setAttribute('error.type', end.outcome);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
