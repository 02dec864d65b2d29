import { logger } from '../logging/index.js';

export interface JobOptions {
  /** What the log says of a run that failed, as a whole sentence. */
  readonly failure: string;
  readonly everyMs: number;
  /** `stopping` is aborted at shutdown: a long run should then end early. */
  readonly run: (stopping: AbortSignal) => Promise<unknown>;
  /** Run at the start as well. */
  readonly atOnce?: boolean;
}

/** Each wait is shorter by up to a tenth, so that replicas which started together do not march in step. */
const JITTER = 0.1;

/**
 * Work that comes back after a time. Guarantees: two runs never overlap; a run that fails is logged, once until a run
 * succeeds again, and the next one comes as planned; the timer keeps no process alive; `stop` waits for the run that is
 * under way, and none begins after it.
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

  /** Runs now, without waiting for the time; while a run is under way, once more after it. */
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
