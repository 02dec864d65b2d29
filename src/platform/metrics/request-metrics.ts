import type { Samples, SamplesByLabels } from './samples.js';

interface Route {
  readonly durations: Samples;
  readonly counts: Map<number, number>;
}

/** Requests by route and status, and how long they took. */
export class RequestMetrics {
  private readonly routes = new Map<string, Route>();

  constructor(private readonly durations: SamplesByLabels) {}

  /** @param route as it is declared, never the requested path: paths are unbounded in number, routes are few */
  observe(route: string, status: number, seconds: number): void {
    let known = this.routes.get(route);
    if (known === undefined) {
      known = { durations: this.durations.of(route), counts: new Map<number, number>() };
      this.routes.set(route, known);
    }
    known.counts.set(status, (known.counts.get(status) ?? 0) + 1);
    known.durations.add(seconds);
  }

  *counts(): Iterable<readonly [{ readonly route: string; readonly status: string }, number]> {
    for (const [route, { counts }] of this.routes)
      for (const [status, count] of counts) yield [{ route, status: String(status) }, count];
  }
}
