import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { METRICS, type MetricDefinition, type MetricName } from './definitions.js';
import { Remembered } from './remembered.js';
import { RequestMetrics } from './request-metrics.js';
import { SamplesByLabels } from './samples.js';

type Labels = Readonly<Record<string, string>>;
/** Numbers of a metric by their labels. */
export type Readings = Iterable<readonly [Labels, number]>;

interface ShareNumbers {
  readonly most: number;
  readonly taken: number;
  readonly waiting: number;
  /** Absent: nothing of it ever rests. */
  readonly resting?: number;
  /** Since the start. */
  readonly refused: number;
}

/** How many items are due in a queue, and for how long the oldest has been due. */
export interface QueueState {
  readonly depth: number;
  readonly oldestSeconds: number;
}

/** How many stored secrets need a version of the operator's secret. */
export type VersionCount = readonly [version: number, count: number];

const QUEUES_FOR_MS = 10_000;
const VERSIONS_FOR_MS = 600_000;

/** The operators' metrics. Every metric is defined in definitions.ts; rooms report its number, mostly only when it is read. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly requests = new RequestMetrics(this.histogram('gatehouse_http_request_duration_seconds'));

  readonly failedAuthentications = this.counter('gatehouse_failed_authentications_total');
  readonly orphansSwept = this.counter('gatehouse_ledger_orphans_swept_total');
  readonly admissionsRefused = this.counter('gatehouse_ledger_admissions_refused_total');
  readonly overruns = this.counter('gatehouse_ledger_overruns_total');
  readonly retentionDropped = this.counter('gatehouse_retention_dropped_total');
  readonly webhookAttempts = this.counter('gatehouse_webhook_attempts_total');

  private readonly queues = new Map<string, Remembered<QueueState>>();
  private readonly stored = new Map<string, Remembered<readonly VersionCount[]>>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    this.readEach('gatehouse_http_requests_total', () => this.requests.counts());
    this.readEach('gatehouse_queue_depth', () => readAll(this.queues, ([queue, { depth }]) => [[{ queue }, depth]]));
    this.readEach('gatehouse_queue_oldest_seconds', () =>
      readAll(this.queues, ([queue, { oldestSeconds }]) => [[{ queue }, oldestSeconds]]),
    );
    this.readEach('gatehouse_stored_secrets', () =>
      readAll(this.stored, ([stored, counts]) =>
        counts.map(([version, count]) => [{ stored, version: String(version) }, count]),
      ),
    );
  }

  /** Numbers of shares, by name. Read when the metrics are. */
  shares(sources: Readonly<Record<string, ShareNumbers>>): void {
    const entries = Object.entries(sources);
    const each = (number: keyof ShareNumbers) => (): Readings =>
      entries.map(([share, numbers]) => [{ share }, numbers[number] ?? 0]);
    this.readEach('gatehouse_share_most', each('most'));
    this.readEach('gatehouse_share_taken', each('taken'));
    this.readEach('gatehouse_share_waiting', each('waiting'));
    this.readEach('gatehouse_share_resting', each('resting'));
    this.readEach('gatehouse_share_refused_total', each('refused'));
  }

  /** A queue in the database. Has no number while the database can't be asked. */
  queue(name: string, read: () => Promise<QueueState>): void {
    this.queues.set(name, new Remembered(read, QUEUES_FOR_MS));
  }

  /** How many stored secrets need each version of an operator's secret. */
  storedSecrets(name: string, read: () => Promise<readonly VersionCount[]>): void {
    this.stored.set(name, new Remembered(read, VERSIONS_FOR_MS));
  }

  /** A number that is read when the metrics are; a counter counts from the start. */
  read(name: MetricName, read: () => number): void {
    this.readEach(name, () => [[{}, read()]]);
  }

  readEach(name: MetricName, read: () => Readings | Promise<Readings>): void {
    const { type, ...definition } = definitionOf(name);
    if (type === 'counter')
      new Counter({
        ...definition,
        registers: [this.registry],
        async collect() {
          const readings = await read();
          this.reset();
          for (const [labels, value] of readings) this.inc(labels, value);
        },
      });
    else
      new Gauge({
        ...definition,
        registers: [this.registry],
        async collect() {
          const readings = await read();
          this.reset();
          for (const [labels, value] of readings) this.set(labels, value);
        },
      });
  }

  /** For rare events: the library's own counting slows the hot path. */
  private counter(name: MetricName): Counter {
    return new Counter({ ...definitionOf(name), registers: [this.registry] });
  }

  histogram(name: MetricName): SamplesByLabels {
    const samples = new SamplesByLabels();
    const { buckets, ...definition } = definitionOf(name);
    samples.histogram = new Histogram({
      ...definition,
      ...(buckets === undefined ? {} : { buckets }),
      registers: [this.registry],
      collect: () => samples.settle(),
    });
    return samples;
  }
}

function definitionOf(name: MetricName) {
  const { type, help, labels = [], buckets }: MetricDefinition = METRICS[name];
  return { name, type, help, labelNames: [...labels], ...(buckets === undefined ? {} : { buckets: [...buckets] }) };
}

/** Sources that could not be read are left out. */
async function readAll<Value>(
  sources: ReadonlyMap<string, Remembered<Value>>,
  readingsOf: (entry: readonly [string, Value]) => readonly (readonly [Labels, number])[],
): Promise<Readings> {
  const values = await Promise.all([...sources].map(async ([name, source]) => [name, await source.get()] as const));
  return values.flatMap(([name, value]) => (value === null ? [] : readingsOf([name, value])));
}
