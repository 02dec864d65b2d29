import { logger } from '../logging/index.js';

export interface JobOptions {
  /** The log's sentence for a failed run. */
  readonly failure: string;
  readonly everyMs: number;
  /** `stopping` is aborted at shutdown: a long run should then end early. */
  readonly run: (stopping: AbortSignal) => Promise<unknown>;
  /** Run at the start as well. */
  readonly atOnce?: boolean;
}

/** Each wait is shortened at random by up to a tenth, so that replicas that started together do not run at the same time. */
const JITTER = 0.1;

/**
 * Work that repeats after a time. Guarantees: two runs never overlap; after a failed run the next one comes as planned,
 * and a series of failures is logged once; the timer does not keep the process alive; `stop` waits for a run in progress,
 * and no run begins after it.
 */
export class RepeatingJob {
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private wanted = false;
  private failing = false;

  constructor(private readonly options: JobOptions) {}

  start(): void {
    if (this.timer !== null || this.stopping.signal.aborted) return;
    this.schedule();
    if (this.options.atOnce === true) this.wake();
  }

  /** Runs now instead of after the wait; during a run, once more after it. */
  wake(): void {
    if (this.stopping.signal.aborted) return;
    this.wanted = true;
    this.running ??= this.runWhileWanted();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    if (this.timer !== null) clearTimeout(this.timer);
    await this.running;
  }

  private schedule(): void {
    this.timer = setTimeout(
      () => {
        this.schedule();
        if (this.running === null) this.wake();
      },
      this.options.everyMs * (1 - JITTER * Math.random()),
    ).unref();
  }

  private async runWhileWanted(): Promise<void> {
    while (this.wanted && !this.stopping.signal.aborted) {
      this.wanted = false;
      await this.runOnce();
    }
    this.running = null;
  }

  private async runOnce(): Promise<void> {
    try {
      await this.options.run(this.stopping.signal);
      this.failing = false;
    } catch (error) {
      if (!this.failing) logger.warn({ err: error }, this.options.failure);
      this.failing = true;
    }
  }
}
