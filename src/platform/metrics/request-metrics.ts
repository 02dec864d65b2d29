import { Counter, Histogram, type Registry } from 'prom-client';

/** Upper bounds of the duration histogram, in seconds. */
const BUCKETS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600];

interface Waiting {
  readonly route: string;
  readonly status: string;
  readonly seconds: number[];
}

/**
 * Requests by route and status, and how long they took. A request only leaves its duration behind; the library counts
 * when somebody looks, or when a thousand wait, since its own bookkeeping per observation is felt on the hot path.
 */
export class RequestMetrics {
  private readonly waiting = new Map<string, Waiting>();
  private readonly requests: Counter<'route' | 'status'>;
  private readonly durations: Histogram<'route'>;

  constructor(registry: Registry) {
    const settle = (): void => this.settle();
    this.requests = new Counter({
      name: 'gatehouse_http_requests_total',
      help: 'Requests answered, by route and status.',
      labelNames: ['route', 'status'] as const,
      registers: [registry],
      collect: settle,
    });
    this.durations = new Histogram({
      name: 'gatehouse_http_request_duration_seconds',
      help: 'From the first byte of a request to the last of its answer.',
      labelNames: ['route'] as const,
      buckets: BUCKETS,
      registers: [registry],
      collect: settle,
    });
  }

  /** @param route as it is declared, never the path that was asked for: there are few of the one, any number of the other */
  observe(route: string, status: number, seconds: number): void {
    const key = route + status;
    let waiting = this.waiting.get(key);
    if (waiting === undefined) {
      waiting = { route, status: String(status), seconds: [] };
      this.waiting.set(key, waiting);
    }
    if (waiting.seconds.push(seconds) >= 1000) this.settle();
  }

  private settle(): void {
    for (const { route, status, seconds } of this.waiting.values()) {
      if (seconds.length === 0) continue;
      this.requests.inc({ route, status }, seconds.length);
      const histogram = this.durations.labels(route);
      for (const duration of seconds) histogram.observe(duration);
      seconds.length = 0;
    }
  }
}
