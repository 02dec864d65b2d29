/** Whose work it is: compared, and nothing else. */
type Owner = string | object;

/**
 * Who may work on a large body next. One of them is judged in each turn of the event loop, so that whatever else is due (a
 * probe, a stream's next event, a small request) comes between two of them. Owners take turns: one who sends a hundred
 * large bodies makes another one wait for one of them, not for all.
 */
export class ReadingTurns {
  /** In the order in which their owners are next. */
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
    // Taken out and put in again, the owner is the last one.
    this.waiting.delete(owner);
    const resolve = own.shift();
    if (own.length > 0) this.waiting.set(owner, own);
    if (this.waiting.size > 0) setImmediate(this.giveOne);
    resolve?.();
  };
}

/** The turns of this process, which has one event loop. */
export const READING_TURNS = new ReadingTurns();
