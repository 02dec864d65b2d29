/**
 * Places for calls whose provider is waited for although the caller already has an answer, or has gone: only what the
 * provider answers yet tells what was used. Each holds a connection, so that the places are few: a provider that hangs
 * must not take all connections.
 */
export class LateCalls {
  private count = 0;

  constructor(private readonly most: number) {}

  /** @returns false: every place is taken */
  admit(): boolean {
    if (this.count >= this.most) return false;
    this.count += 1;
    return true;
  }

  leave(): void {
    this.count -= 1;
  }
}
