import { Fault } from '../platform/errors/index.js';

/** One time limit over several steps; no step begins after it. */
export class Deadline {
  private timer: NodeJS.Timeout | undefined;
  private readonly expired: Promise<never>;

  /** @param message of the fault that ends a step when the time is over */
  constructor(timeoutMs: number, message: string, retryAfterSeconds?: number) {
    this.expired = new Promise((_resolve, reject) => {
      const options = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
      this.timer = setTimeout(() => reject(new Fault('unavailable', message, options)), timeoutMs);
    });
    this.expired.catch(() => undefined);
  }

  /** @throws Fault unavailable after the time limit, or what the step threw */
  race<T>(step: Promise<T>): Promise<T> {
    return Promise.race([step, this.expired]);
  }

  clear(): void {
    clearTimeout(this.timer);
  }
}
