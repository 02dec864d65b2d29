import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { RequestMetrics } from './request-metrics.js';

/**
 * What operators watch. Labels are few and bounded: never a tenant, a key, a user or a model that a caller named, since
 * those leak names and memory.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly requests = new RequestMetrics(this.registry);

  readonly orphansSwept = new Counter({
    name: 'gatehouse_ledger_orphans_swept_total',
    help: 'Calls that a dead process left open and that were charged whole.',
    registers: [this.registry],
  });

  readonly admissionsRefused = new Counter({
    name: 'gatehouse_ledger_admissions_refused_total',
    help: 'Calls that were not admitted, by the limit or the reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });

  readonly overruns = new Counter({
    name: 'gatehouse_ledger_overruns_total',
    help: 'Calls under a limit that used more than was reserved for them.',
    registers: [this.registry],
  });

  readonly webhookAttempts = new Counter({
    name: 'gatehouse_webhook_attempts_total',
    help: 'Attempts of webhook deliveries: delivered, retried (failed, and tried again), failed (for good).',
    labelNames: ['outcome'],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
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
