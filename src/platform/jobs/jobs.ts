import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { RepeatingJob, type JobOptions } from './repeating-job.js';

/** Every repeating job. None runs before `start`, and all are stopped before the service closes. */
@Injectable()
export class Jobs implements BeforeApplicationShutdown {
  private readonly jobs: RepeatingJob[] = [];
  private started = false;

  /** The returned job can be stopped earlier, where other work must follow its last run. */
  repeat(options: JobOptions): RepeatingJob {
    const job = new RepeatingJob(options);
    this.jobs.push(job);
    if (this.started) job.start();
    return job;
  }

  /** Called once the service listens, so that no job has run if the start fails. */
  start(): void {
    this.started = true;
    for (const job of this.jobs) job.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.stop()));
  }
}
