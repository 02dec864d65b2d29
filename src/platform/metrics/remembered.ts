/** What a question costs something to answer is asked when the metrics are read, and not again for a while. */
export class Remembered<Value> {
  private asking: Promise<Value | null> | null = null;
  private askAgainAtMs = -Infinity;

  constructor(
    private readonly ask: () => Promise<Value>,
    private readonly forMs: number,
  ) {}

  /** Null: it can't be answered now, and is asked again the next time. */
  get(): Promise<Value | null> {
    const now = performance.now();
    if (this.asking !== null && now < this.askAgainAtMs) return this.asking;
    this.askAgainAtMs = now + this.forMs;
    this.asking = this.ask().catch(() => {
      this.askAgainAtMs = -Infinity;
      return null;
    });
    return this.asking;
  }
}
