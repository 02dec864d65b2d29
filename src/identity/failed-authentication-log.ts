import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { loggedPath, sourceOf } from '../platform/http/index.js';
import { logger } from '../platform/logging/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { RefusedCredential, type RefusedNames } from './refused-credential.js';

/**
 * Long enough that a client that tries every second leaves few lines; short enough to follow while an operator watches.
 */
const WINDOW_MS = 10_000;
/** Two lines a second at most: a flood must fill neither the disk nor the log's reader. */
const MAX_LINES_PER_WINDOW = 20;
/** The issuer is what the token says, and its signature may be missing: anything can stand there. */
const MAX_ISSUER_LENGTH = 128;

/**
 * Tells operators why callers could not be authenticated, which the callers themselves are not told.
 *
 * Guarantees: never the credential or a part of it beyond the prefix that views show; every failure is counted in the
 * metrics; of the same reason and source one line in a window, and of all together a bounded number. How many more there
 * were, a line says at the end of the window.
 */
@Injectable()
export class FailedAuthenticationLog implements OnModuleDestroy {
  /** Reason and source of the lines of this window. */
  private readonly told = new Set<string>();
  private untold = 0;
  private window: NodeJS.Timeout | null = null;

  constructor(private readonly metrics: Metrics) {}

  /**
   * @param address the caller's; the log has the network of an IPv6 address, which is what the limit counts
   * @param namesOf what the request says besides; asked for only where a line is written
   */
  record(failure: unknown, address: string, namesOf: () => RefusedNames = () => ({})): void {
    if (!(failure instanceof RefusedCredential)) return;
    const { reason, code } = failure;
    this.metrics.failedAuthentications.inc({ reason });
    const source = sourceOf(address);
    const place = `${reason} ${source}`;
    this.window ??= setTimeout(() => this.endWindow(), WINDOW_MS).unref();
    if (this.told.has(place) || this.told.size >= MAX_LINES_PER_WINDOW) {
      this.untold += 1;
      return;
    }
    this.told.add(place);
    const names = { ...namesOf(), ...failure.names };
    const issuer = names.issuer === undefined ? {} : { issuer: loggedPath(names.issuer).slice(0, MAX_ISSUER_LENGTH) };
    logger.warn({ reason, code, address: source, ...names, ...issuer }, 'A caller could not be authenticated.');
  }

  onModuleDestroy(): void {
    if (this.window !== null) clearTimeout(this.window);
    this.endWindow();
  }

  private endWindow(): void {
    const { untold } = this;
    this.window = null;
    this.told.clear();
    this.untold = 0;
    if (untold > 0)
      logger.warn({ unlogged: untold }, `${untold} more failed authentications were not logged one by one.`);
  }
}
