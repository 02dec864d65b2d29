/** Lets work on an answer rest while its receiver is slow. */
export class Pause {
  private over: Promise<void> | null = null;
  private end: () => void = () => undefined;

  get isOn(): boolean {
    return this.over !== null;
  }

  begin(): void {
    this.over ??= new Promise((resolve) => {
      this.end = resolve;
    });
  }

  resume(): void {
    this.over = null;
    this.end();
  }

  /** Waits until the work may go on. */
  async wait(): Promise<void> {
    while (this.over !== null) await this.over;
  }
}
