/**
 * Calls whose provider is waited for although their callers were told that it took too long: what it answers yet tells what
 * it used. Each holds a connection, so that there are only so many; a provider that hangs must not take them all.
 */
export class LateCalls {
  private count = 0;

  constructor(private readonly most: number) {}

  /** @returns false: there are enough of them */
  admit(): boolean {
    if (this.count >= this.most) return false;
    this.count += 1;
    return true;
  }

  leave(): void {
    this.count -= 1;
  }
}
