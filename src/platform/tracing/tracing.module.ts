import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { SETTINGS_TOKEN } from '../config/index.js';
import { Tracing, type TracingSettings } from './tracing.js';

/** Where spans go; null: no collector is set. */
function collectorOf(settings: TracingSettings): string | null {
  const { otelDisabled, otelTracesExporter, otelEndpoint, otelTracesEndpoint } = settings;
  if (otelDisabled || otelTracesExporter === 'none') return null;
  if (otelTracesEndpoint !== undefined) return otelTracesEndpoint;
  if (otelEndpoint !== undefined) return `${otelEndpoint.replace(/\/$/, '')}/v1/traces`;
  return otelTracesExporter === 'otlp' ? 'http://localhost:4318/v1/traces' : null;
}

/** Traces, if the operator named a collector; otherwise OpenTelemetry is not loaded. */
@Global()
@Module({
  providers: [
    {
      provide: Tracing,
      inject: [SETTINGS_TOKEN],
      useFactory: async (settings: TracingSettings): Promise<Tracing> => {
        const collector = collectorOf(settings);
        if (collector === null) return new Tracing();
        const { openTelemetry } = await import('./open-telemetry.js');
        return openTelemetry(collector, settings);
      },
    },
  ],
  exports: [Tracing],
})
export class TracingModule implements OnApplicationShutdown {
  constructor(private readonly tracing: Tracing) {}

  async onApplicationShutdown(): Promise<void> {
    await this.tracing.stop();
  }
}
