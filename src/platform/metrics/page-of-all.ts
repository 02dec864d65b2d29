import { setTimeout as sleep } from 'node:timers/promises';

/** A page takes a few milliseconds of the event loop to write, and calls wait for so long. */
const PAUSE_MS = 100;

/** Writes a page for all who wait for it: one at a time, and then none for a moment. A page is never older than its request. */
export class PageOfAll {
  private next: Promise<string> | null = null;
  private pause: Promise<unknown> = Promise.resolve();

  constructor(private readonly write: () => Promise<string>) {}

  get(): Promise<string> {
    this.next ??= this.pause.then(() => {
      this.next = null;
      const page = this.write();
      this.pause = page.catch(() => undefined).then(() => sleep(PAUSE_MS, undefined, { ref: false }));
      return page;
    });
    return this.next;
  }
}
