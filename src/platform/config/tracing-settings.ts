import { z } from 'zod';
import { flag, group, url } from './setting-definition.js';

const tracing = group('Traces').define;

/** OpenTelemetry's own names. Its other variables (sampling, batches, headers, time-outs) its SDK reads by itself. */
export const TRACING_SETTINGS = {
  otelEndpoint: tracing(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    url('http:', 'https:'),
    'Base address of an OpenTelemetry collector (OTLP over HTTP), which gets a span for each request and each try of a provider: ' +
      'names, numbers and ids, no prompts. Unset: no traces.',
  ),
  otelTracesEndpoint: tracing(
    'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    url('http:', 'https:'),
    'The same with its path, where that is not `/v1/traces`.',
  ),
  otelTracesExporter: tracing(
    'OTEL_TRACES_EXPORTER',
    z.enum(['otlp', 'none'], 'must be otlp or none'),
    '`otlp` without an address: a collector on this machine, port 4318. `none`: no traces.',
  ),
  otelProtocol: tracing(
    'OTEL_EXPORTER_OTLP_PROTOCOL',
    z.enum(['http/protobuf', 'http/json'], 'must be http/protobuf or http/json'),
    'How spans are encoded.',
    { fallback: 'http/protobuf' },
  ),
  otelHeaders: tracing(
    'OTEL_EXPORTER_OTLP_HEADERS',
    z.string().min(1),
    'Headers of each request to the collector, as `name=value` pairs with commas between them.',
    { secret: true },
  ),
  otelServiceName: tracing('OTEL_SERVICE_NAME', z.string().min(1), 'As which the service stands in its traces.', {
    fallback: 'gatehouse',
  }),
  otelSampler: tracing(
    'OTEL_TRACES_SAMPLER',
    z.string().min(1),
    'Which traces are kept: `parentbased_always_on`, `parentbased_traceidratio` and others of the SDK.',
  ),
  otelSamplerArg: tracing('OTEL_TRACES_SAMPLER_ARG', z.string().min(1), 'Its number: of `traceidratio`, 0 to 1.'),
  otelDisabled: tracing('OTEL_SDK_DISABLED', flag, 'No traces, whatever else is set.', { fallback: '0' }),
} as const;
