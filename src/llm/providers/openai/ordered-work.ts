import { inTurns } from '../../../platform/http/index.js';
import type { Steps } from '../../../platform/json/index.js';
import { Pause } from '../pause.js';
import type { Turns } from './large-answer.js';

/** A piece of work. Null: it is done. Steps: it is large, and they do it. */
type Work = () => Steps<void> | null;

export interface WorkListener {
  /** Large work has begun: what comes meanwhile waits, so that no more should be taken in. */
  onBusy(): void;
  /** All that waited is done. */
  onDone(): void;
  onFailed(reason: unknown): void;
}

/**
 * Does the work on one stream in its order: what is small at once, and what is large in turns, with other work between them.
 * While its receiver is slow, large work rests.
 */
export class OrderedWork {
  isBusy = false;
  private isStopped = false;
  private readonly waiting: Work[] = [];
  private readonly rest = new Pause();

  constructor(
    private readonly turn: Turns,
    private readonly listener: WorkListener,
  ) {}

  do(work: Work): void {
    if (this.isStopped) return;
    if (this.isBusy) {
      this.waiting.push(work);
      return;
    }
    const steps = work();
    if (steps !== null) this.begin(steps);
  }

  pause(): void {
    this.rest.begin();
  }

  resume(): void {
    this.rest.resume();
  }

  /** What is left is not done any more, and the listener hears nothing. */
  stop(): void {
    this.isStopped = true;
    this.resume();
  }

  private begin(steps: Steps<void>): void {
    this.isBusy = true;
    this.listener.onBusy();
    this.finish(steps)
      .then(() => {
        this.isBusy = false;
        if (!this.isStopped) this.listener.onDone();
      })
      .catch((reason: unknown) => {
        if (this.isStopped) return;
        this.isStopped = true;
        this.listener.onFailed(reason);
      });
  }

  private async finish(begun: Steps<void>): Promise<void> {
    await this.next();
    for (let work: Work | undefined = () => begun; work !== undefined && !this.isStopped; work = this.waiting.shift()) {
      const steps = work();
      if (steps !== null) await inTurns(steps, this.next);
    }
  }

  private readonly next = async (): Promise<void> => {
    await this.rest.wait();
    await this.turn();
    if (this.isStopped) throw new Error('The work was stopped.');
  };
}
