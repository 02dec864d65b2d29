/** Bytes that arrive in pieces. Each piece is copied as it arrives: one copy of a large body at the end would block for long. */
export class GatheredBytes {
  size = 0;
  private only: Buffer | null = null;
  private into: Buffer | null = null;

  /**
   * @param expected how many bytes will arrive; 0: not known
   * @param most how many bytes may arrive
   */
  constructor(
    private readonly expected: number,
    private readonly most: number,
  ) {}

  add(chunk: Buffer): void {
    if (this.size === 0) this.only = chunk;
    else {
      const wanted = this.size + chunk.length;
      if (this.into === null || this.into.length < wanted) this.grow(wanted);
      this.into?.set(chunk, this.size);
    }
    this.size += chunk.length;
  }

  all(): Buffer {
    return this.into?.subarray(0, this.size) ?? this.only ?? Buffer.alloc(0);
  }

  private grow(wanted: number): void {
    const into = Buffer.allocUnsafeSlow(this.expected >= wanted ? this.expected : Math.min(2 * wanted, this.most));
    into.set(this.all());
    this.into = into;
  }
}
