import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { RepeatingJob, type JobOptions } from './repeating-job.js';

/** Starts every repeating job once the service is up, and stops them all before it goes. */
@Injectable()
export class Jobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly jobs: RepeatingJob[] = [];
  private started = false;

  /** The owner may stop its job earlier, where something else has to come after it. */
  repeat(options: JobOptions): RepeatingJob {
    const job = new RepeatingJob(options);
    this.jobs.push(job);
    if (this.started) job.start();
    return job;
  }

  onApplicationBootstrap(): void {
    this.started = true;
    for (const job of this.jobs) job.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.stop()));
  }
}
