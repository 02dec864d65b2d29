// One run of the bench as the operating system sees it: its children, its folders, its end.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProcessGroup } from './processes.mjs';

export const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
export const messageOf = (/** @type {unknown} */ error) => (error instanceof Error ? error.message : String(error));

export class Session {
  group = new ProcessGroup();
  /** Downloads are kept here. */
  cacheDirectory = here('.cache');
  resultsDirectory = here('results');
  /** This run's own folder: two runs at a time spoil each other's numbers, but not each other's files. */
  runDirectory = join(this.cacheDirectory, `run-${process.pid}`);
  closing = false;
  /** @type {(() => Promise<unknown>)[]} */
  #endings = [];

  constructor() {
    mkdirSync(this.runDirectory, { recursive: true });
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
      process.on(signal, () => {
        if (!this.closing) void this.#leave(`${signal}: stopping`, 130);
      });
    }
  }

  /** @param {number} minutes after which the bench gives up */
  limit(minutes) {
    setTimeout(
      () => void this.#leave('The bench took too long (--max-minutes); it stops.', 1),
      minutes * 60_000,
    ).unref();
  }

  /** @param {string} name of a process */
  logFile(name) {
    return join(this.runDirectory, 'logs', `${name}.log`);
  }

  /** @param {string} text progress, for the person who waits */
  say(text) {
    if (!this.closing) process.stderr.write(`  ${text}\n`);
  }

  /** @param {() => Promise<unknown>} end called when the run ends, the last one first */
  onEnd(end) {
    this.#endings.push(end);
  }

  /** @param {boolean} keepLogs */
  async close(keepLogs) {
    this.closing = true;
    for (const end of this.#endings.splice(0).reverse()) {
      await end().catch((error) => process.stderr.write(`while stopping: ${messageOf(error)}\n`));
    }
    this.group.killAll();
    if (!keepLogs) rmSync(this.runDirectory, { recursive: true, force: true });
  }

  /**
   * @param {string} reason
   * @param {number} code
   */
  async #leave(reason, code) {
    process.stderr.write(`\n${reason}\n`);
    await this.close(false);
    process.exit(code);
  }
}
