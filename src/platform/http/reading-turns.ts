import type { Steps } from '../json/index.js';

/** Whose work it is; used only for comparison. */
type Owner = string | object;

/**
 * Decides who may work on a large body next. One body is judged in each turn of the event loop, so that other work (a
 * probe, a stream's next event, a small request) runs in between. Owners take turns: another owner waits for one large
 * body of a caller, not for all.
 */
export class ReadingTurns {
  /** In the order of the owners' next turns. */
  private readonly waiting = new Map<Owner, (() => void)[]>();

  next(owner: Owner): Promise<void> {
    return new Promise((resolve) => {
      const own = this.waiting.get(owner);
      if (own !== undefined) {
        own.push(resolve);
        return;
      }
      if (this.waiting.size === 0) setImmediate(this.giveOne);
      this.waiting.set(owner, [resolve]);
    });
  }

  private readonly giveOne = (): void => {
    const [first] = this.waiting;
    if (first === undefined) return;
    const [owner, own] = first;
    // Deleting and setting again moves the owner to the end.
    this.waiting.delete(owner);
    const resolve = own.shift();
    if (own.length > 0) this.waiting.set(owner, own);
    if (this.waiting.size > 0) setImmediate(this.giveOne);
    resolve?.();
  };
}

/** The turns of this process, which has one event loop. */
export const READING_TURNS = new ReadingTurns();

/** How long a turn lasts: several large texts and a probe each get a turn within a quarter of a second. */
const TURN_MS = 10;

/** Does the work of `steps`, one turn after the other. @throws what the steps and `next` throw */
export async function inTurns<Result>(steps: Steps<Result>, next: () => Promise<void>): Promise<Result> {
  for (let endsAt = performance.now() + TURN_MS; ;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (performance.now() < endsAt) continue;
    await next();
    endsAt = performance.now() + TURN_MS;
  }
}
