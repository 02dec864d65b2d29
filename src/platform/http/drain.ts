import { Injectable } from '@nestjs/common';

/**
 * Tracks the stop of the service. On SIGTERM readiness turns 503; new requests are still taken at first, and open calls go on.
 * At the deadline, calls that are still open are told to end and settle.
 */
@Injectable()
export class Drain {
  private readonly beginnings = new Set<() => void>();
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
    for (const callback of [...this.beginnings]) callback();
  }

  /** Runs the callback when the stop begins. */
  onBegin(callback: () => void): void {
    this.beginnings.add(callback);
  }

  /** Runs the callback at the deadline. The returned function unsubscribes it. */
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

  /** Waits at most `graceMs` until no request is open; then tells open requests to end, and waits at most `lastMs` for them. */
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
