import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { RepeatingJob, type JobOptions } from './repeating-job.js';

/** Every repeating job. None runs before `start`, and all are stopped before the service closes. */
@Injectable()
export class Jobs implements BeforeApplicationShutdown {
  private readonly jobs: RepeatingJob[] = [];
  private started = false;

  /** The owner may stop its job earlier, where something else has to come after it. */
  repeat(options: JobOptions): RepeatingJob {
    const job = new RepeatingJob(options);
    this.jobs.push(job);
    if (this.started) job.start();
    return job;
  }

  /** Called once the service listens: a start that is refused has run none. */
  start(): void {
    this.started = true;
    for (const job of this.jobs) job.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.stop()));
  }
}
