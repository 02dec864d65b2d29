import { isRefusal, type Admitted, type Refusal } from './admissions.js';

/** With so many waiting calls, another one is refused at once, since waiting calls take memory. */
const MAX_WAITING = 1024;
const FIRST_PAUSE_MS = 10;
const MAX_PAUSE_MS = 160;
/** The most waiting calls of a budget that are tried at once. */
const MAX_TRIES = 32;

interface Waiting {
  /** Tries to admit the call again. */
  readonly admit: () => Promise<Admitted>;
  readonly until: number;
  readonly resolve: (admitted: Admitted) => void;
  readonly reject: (error: unknown) => void;
  /** The last answer. */
  refusal: Refusal;
}

/** The calls that wait for one budget. */
interface Queue {
  waiting: Waiting[];
  readonly tenantId: string;
  /** Ends the pause. */
  wake: () => void;
}

/**
 * Calls that would fit their budgets without the amounts that open calls hold. Each waits for room, at most for the time that
 * the operator allows: first come first served within a budget, a few tried at a time.
 *
 * A settlement of this process wakes its tenant's waiting calls. Settlements of other processes are found by trying again,
 * after growing pauses: a notification for each settlement would cost every call more than these few tries.
 */
export class BusyBudgets {
  private readonly queues = new Map<string, Queue>();
  private count = 0;

  constructor(private readonly waitMs: number) {}

  /**
   * @param admit tries to admit the call again
   * @returns the call's admission, or the last refusal once the time is over
   * @throws Fault unavailable
   */
  wait(tenantId: string, refusal: Refusal, admit: () => Promise<Admitted>): Promise<Admitted> {
    if (refusal.blame === null || this.waitMs === 0 || this.count >= MAX_WAITING) return Promise.resolve(refusal);
    const { id } = refusal.blame;
    this.count += 1;
    return new Promise<Admitted>((resolve, reject) => {
      const waiting = { admit, until: performance.now() + this.waitMs, resolve, reject, refusal };
      const queue = this.queues.get(id);
      if (queue !== undefined) queue.waiting.push(waiting);
      else {
        const made: Queue = { waiting: [waiting], tenantId, wake: nothing };
        this.queues.set(id, made);
        void this.serve(id, made);
      }
    }).finally(() => {
      this.count -= 1;
    });
  }

  /** How many calls wait. */
  get size(): number {
    return this.count;
  }

  /** How many budgets they wait for. */
  get budgets(): number {
    return this.queues.size;
  }

  /** Called when a call of this tenant was settled and released what it held. */
  released(tenantId: string): void {
    for (const queue of this.queues.values()) if (queue.tenantId === tenantId) queue.wake();
  }

  private async serve(id: string, queue: Queue): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    let tries = 1;
    while (queue.waiting.length > 0) {
      if (pauseMs > 0 && (await this.pause(queue, pauseMs))) pauseMs = FIRST_PAUSE_MS;
      const isRoom = await this.tryFirst(queue, tries);
      tries = isRoom ? Math.min(tries * 2, MAX_TRIES) : 1;
      pauseMs = isRoom ? 0 : Math.min(Math.max(pauseMs, FIRST_PAUSE_MS / 2) * 2, MAX_PAUSE_MS);
      this.dismissLate(queue);
    }
    this.queues.delete(id);
  }

  /** True: a settlement ended the pause early. */
  private pause(queue: Queue, pauseMs: number): Promise<boolean> {
    const first = queue.waiting[0];
    const leftMs = first === undefined ? 0 : Math.max(first.until - performance.now(), 0);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.min(pauseMs, leftMs));
      queue.wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Tries the first calls; those that still find no room go back to the front. */
  private async tryFirst(queue: Queue, tries: number): Promise<boolean> {
    const tried = queue.waiting.splice(0, tries);
    const answers = await Promise.allSettled(tried.map(({ admit }) => admit()));
    const busy: Waiting[] = [];
    answers.forEach((answer, index) => {
      const waiting = tried[index] as Waiting;
      if (answer.status === 'rejected') waiting.reject(answer.reason);
      else if (isRefusal(answer.value) && answer.value.verdict === 'busy') {
        waiting.refusal = answer.value;
        busy.push(waiting);
      } else waiting.resolve(answer.value);
    });
    queue.waiting.unshift(...busy);
    return busy.length === 0;
  }

  private dismissLate(queue: Queue): void {
    const now = performance.now();
    queue.waiting = queue.waiting.filter(({ until, resolve, refusal }) => {
      if (until > now) return true;
      resolve(refusal);
      return false;
    });
  }
}

function nothing(): void {
  // No pause is under way.
}
