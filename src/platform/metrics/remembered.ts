/** Remembers a costly answer: it is asked for when the metrics are read, and not again for a while. */
export class Remembered<Value> {
  private asking: Promise<Value | null> | null = null;
  private askAgainAtMs = -Infinity;

  constructor(
    private readonly ask: () => Promise<Value>,
    private readonly forMs: number,
  ) {}

  /** Null: no answer now; the next read asks again. */
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
