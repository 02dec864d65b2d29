import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { RequestMetrics } from './request-metrics.js';

interface ShareNumbers {
  readonly most: number;
  readonly taken: number;
  readonly waiting: number;
  /** Since the start. */
  readonly refused: number;
}

const SHARE_GAUGES = {
  most: 'How much of what many share one process has: calls to providers, database connections, usage queries, bytes of bodies.',
  taken: 'How much of it is taken now.',
  waiting: 'How many wait for some of it.',
} as const;

/**
 * What operators watch. Labels are few and bounded: never a tenant, a key, a user or a model that a caller named, since
 * those leak names and memory.
 */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly requests = new RequestMetrics(this.registry);

  readonly failedAuthentications = new Counter({
    name: 'gatehouse_failed_authentications_total',
    help: 'Callers that could not be authenticated, by the real reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });

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

  /** What many share, by a few names. Read when the metrics are. */
  shares(sources: Readonly<Record<string, ShareNumbers>>): void {
    const entries = Object.entries(sources);
    for (const [number, help] of Object.entries(SHARE_GAUGES)) {
      new Gauge({
        name: `gatehouse_share_${number}`,
        help,
        labelNames: ['share'],
        registers: [this.registry],
        collect() {
          for (const [share, numbers] of entries) this.set({ share }, numbers[number as keyof typeof SHARE_GAUGES]);
        },
      });
    }
    new Counter({
      name: 'gatehouse_share_refused_total',
      help: 'Work that was refused since a tenant, an org or all together had as much of it as may be.',
      labelNames: ['share'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [share, { refused }] of entries) this.inc({ share }, refused);
      },
    });
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

  /** A count since the start that is read when the metrics are. */
  count(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }
}
