import type { Histogram } from 'prom-client';

/** The most observations that wait to be counted. */
const MOST_WAITING = 1000;

/**
 * Observations of one series of a histogram. An observation only stores its number; the library counts when the metrics are
 * read, or when a thousand wait, since its bookkeeping slows the hot path.
 */
export class Samples {
  private readonly waiting: number[] = [];

  constructor(private readonly child: Histogram.Internal<string>) {}

  add(value: number): void {
    if (this.waiting.push(value) >= MOST_WAITING) this.settle();
  }

  settle(): void {
    for (const value of this.waiting) this.child.observe(value);
    this.waiting.length = 0;
  }
}

/** The series of one histogram, each created when first requested. */
export class SamplesByLabels {
  private readonly series: Samples[] = [];
  histogram: Histogram | null = null;

  /** The series is never removed, since callers keep it. */
  of(...labels: readonly string[]): Samples {
    if (this.histogram === null) throw new Error('The histogram is not registered yet.');
    const samples = new Samples(this.histogram.labels(...labels));
    this.series.push(samples);
    return samples;
  }

  settle(): void {
    for (const samples of this.series) samples.settle();
  }
}
