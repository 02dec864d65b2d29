import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/**
 * What operators watch. Labels are few and bounded: never a tenant, a key, a user or a model that a caller named, since
 * those leak names and memory.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  private readonly requests = new Counter({
    name: 'gatehouse_http_requests_total',
    help: 'Requests answered, by route and status.',
    labelNames: ['route', 'status'] as const,
    registers: [this.registry],
  });

  private readonly requestSeconds = new Histogram({
    name: 'gatehouse_http_request_duration_seconds',
    help: 'From the first byte of a request to the last of its answer.',
    labelNames: ['route'] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600],
    registers: [this.registry],
  });

  readonly orphansSwept = new Counter({
    name: 'gatehouse_ledger_orphans_swept_total',
    help: 'Calls that a dead process left open and that were charged whole.',
    registers: [this.registry],
  });

  private readonly answered = new Map<string, Counter.Internal>();
  private readonly took = new Map<string, Histogram.Internal<'route'>>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** @param route as it is declared, never the path that was asked for: there are few of the one, any number of the other */
  observeRequest(route: string, status: number, seconds: number): void {
    const key = `${route} ${status}`;
    let answered = this.answered.get(key);
    if (answered === undefined) {
      answered = this.requests.labels(route, String(status));
      this.answered.set(key, answered);
    }
    answered.inc();
    let took = this.took.get(route);
    if (took === undefined) {
      took = this.requestSeconds.labels(route);
      this.took.set(route, took);
    }
    took.observe(seconds);
  }

  /** A number that is read when the metrics are. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
