import { Injectable } from '@nestjs/common';

/**
 * What the service knows of its own stopping. On SIGTERM readiness turns 503, at first while requests are still taken; open
 * calls go on, and at the deadline what is still open is told to end and settle.
 */
@Injectable()
export class Drain {
  private readonly callbacks = new Set<() => void>();
  private open = 0;
  private whenIdle: (() => void) | null = null;
  private draining = false;

  /** How many requests and calls are open. */
  get openCount(): number {
    return this.open;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** Readiness turns 503, and each answer ends its connection. */
  begin(): void {
    this.draining = true;
  }

  /** Runs the callback at the deadline, unless it was unsubscribed before. */
  onDeadline(callback: () => void): () => void {
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }

  requestOpened(): void {
    this.open += 1;
  }

  requestClosed(): void {
    this.open -= 1;
    if (this.open === 0) this.whenIdle?.();
  }

  /**
   * Waits until no request is open, for at most `graceMs`; then ends those that are, and waits `lastMs` for them to go.
   */
  async run(graceMs: number, lastMs: number): Promise<void> {
    this.begin();
    if (await this.idleWithin(graceMs)) return;
    for (const callback of [...this.callbacks]) callback();
    await this.idleWithin(lastMs);
  }

  private async idleWithin(timeoutMs: number): Promise<boolean> {
    if (this.open === 0) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.whenIdle = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
