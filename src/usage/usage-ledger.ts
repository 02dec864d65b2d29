import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { unknownCredential } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Database, GroupCommit } from '../platform/database/index.js';
import { Fault } from '../platform/errors/index.js';
import { logger } from '../platform/logging/index.js';
import { Metrics } from '../platform/metrics/index.js';
import { ProcessLease } from './process-lease.js';
import type { Reservation, Settlement } from './usage.types.js';

const RESERVE = {
  name: 'reserve_usage',
  text: 'SELECT * FROM reserve_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)',
};
const SETTLE = { name: 'settle_usage', text: 'SELECT settle_usage($1, $2, $3, $4, $5, $6, $7)' };

const MAX_BATCH = 500;
const RESERVE_WAIT_MS = 3000;
const SETTLE_GATHER_MS = 10;
const SETTLE_RETRY_MS = 500;
const DISOWN_AGAIN_MS = 10_000;

/**
 * The ledger of governed calls: reserve, then dispatch, then settle.
 *
 * Guarantees: `reserve` resolves only once the reservation is committed, so that no call goes upstream unrecorded. Each
 * reservation is settled once: by `settle`, or, should this process die, by a sweeper that charges it whole. A
 * settlement that can't be written waits in a bounded queue; while that is full, `reserve` answers 503.
 */
@Injectable()
export class UsageLedger implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly reservations: GroupCommit<Reservation, boolean>;
  /** When each open call was reserved; insertion order is age order. */
  private readonly open = new Map<string, number>();
  private pending: Settlement[] = [];
  private settling: Promise<void> | null = null;
  private closing = false;

  constructor(
    private readonly database: Database,
    private readonly lease: ProcessLease,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
    private readonly metrics: Metrics,
  ) {
    this.reservations = new GroupCommit({
      what: 'The usage ledger',
      maxItems: MAX_BATCH,
      waitMs: RESERVE_WAIT_MS,
      run: (items) => this.writeReservations(items),
      onAbandoned: (item) => this.disown(item),
      onNotSent: ({ id }) => this.open.delete(id),
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.metrics.gauge(
      'gatehouse_ledger_pending_settlements',
      'Settlements that wait for the database.',
      () => this.pending.length,
    );
    await this.lease.start(
      () => this.oldestOpenMs(),
      (swept) => this.metrics.orphansSwept.inc(swept),
    );
  }

  /**
   * @throws Fault unavailable, or unauthenticated where the tenant is gone: nothing may be sent upstream.
   */
  async reserve(reservation: Reservation): Promise<void> {
    if (this.pending.length >= this.settings.ledgerQueueLimit) {
      throw new Fault('unavailable', 'The usage ledger is behind; try again shortly.', { retryAfterSeconds: 2 });
    }
    this.open.set(reservation.id, performance.now());
    try {
      const written = await this.reservations.add(reservation);
      if (!written) {
        this.open.delete(reservation.id);
        throw unknownCredential();
      }
    } catch (error) {
      // A 503 may hide a commit; that reservation is open until `disown` has settled it.
      if (!(error instanceof Fault)) this.open.delete(reservation.id);
      throw error;
    }
  }

  /** Never throws: the truth waits here until the database takes it. */
  settle(settlement: Settlement): void {
    this.pending.push(settlement);
    this.settling ??= this.drain();
  }

  /** How many settlements wait for the database. */
  get pendingSettlements(): number {
    return this.pending.length;
  }

  /** Waits until what is settled so far is written, or the database refuses. */
  async flush(): Promise<void> {
    await this.settling;
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.closing = true;
    await this.flush();
    await this.lease.stop();
  }

  /** @returns for each whether it is written; false: its tenant is gone */
  private async writeReservations(items: readonly Reservation[]): Promise<readonly boolean[]> {
    for (let attempt = 0; ; attempt += 1) {
      const rows = await this.database.call<{ alive: boolean; refused_ids: string[] | null }>(RESERVE, [
        this.lease.id,
        items.map((item) => item.id),
        items.map((item) => item.tenantId),
        items.map((item) => item.keyId),
        items.map((item) => item.userId),
        someOf(items, (item) => item.human),
        items.map((item) => item.requestId),
        items.map((item) => item.provider),
        items.map((item) => item.model),
        items.map((item) => item.streamed),
        items.map((item) => item.reservedInputTokens),
        items.map((item) => item.reservedOutputTokens),
        someOf(items, (item) => item.impersonated?.route ?? null),
        someOf(items, (item) => item.impersonated?.address ?? null),
      ]);
      if (rows[0]?.alive === true) {
        const refused = rows[0].refused_ids;
        return items.map(({ id }) => refused === null || !refused.includes(id));
      }
      if (attempt === 1)
        throw new Fault('unavailable', 'The usage ledger is out of reach; try again shortly.', {
          retryAfterSeconds: 2,
        });
      await this.lease.renew();
    }
  }

  /**
   * Settles a call that was refused although its reservation may be committed, or may yet be: a statement can outlive
   * the connection that sent it, so this is said twice. Where no such row exists, it changes nothing.
   */
  private disown(reservation: Reservation): void {
    const settlement: Settlement = {
      id: reservation.id,
      outcome: 'NOT_SENT',
      statusCode: null,
      inputTokens: 0,
      outputTokens: 0,
      estimated: false,
      latencyMs: 0,
    };
    this.settle(settlement);
    setTimeout(() => this.settle(settlement), DISOWN_AGAIN_MS).unref();
  }

  private async drain(): Promise<void> {
    while (this.pending.length > 0) {
      // Nobody waits for a settlement: those of the next moment go along.
      if (!this.closing) await new Promise((resolve) => setTimeout(resolve, SETTLE_GATHER_MS));
      const batch = this.pending.slice(0, MAX_BATCH);
      try {
        await this.writeSettlements(batch);
        this.close(batch);
      } catch (error) {
        if (!(error instanceof Fault) && (await this.settleOneByOne(batch))) continue;
        logger.warn({ pending: this.pending.length }, 'Settlements wait for the database.');
        if (this.closing) break;
        await new Promise((resolve) => setTimeout(resolve, SETTLE_RETRY_MS));
      }
    }
    this.settling = null;
  }

  private close(batch: readonly Settlement[]): void {
    this.pending = this.pending.slice(batch.length);
    for (const { id } of batch) this.open.delete(id);
  }

  /**
   * One settlement that Postgres refuses must not hold up the others; it is left to be charged whole.
   *
   * @returns false where the database went away meanwhile: what is not decided waits on
   */
  private async settleOneByOne(batch: readonly Settlement[]): Promise<boolean> {
    for (const settlement of batch) {
      try {
        await this.writeSettlements([settlement]);
      } catch (error) {
        if (error instanceof Fault) return false;
        logger.error({ err: error, usageRecordId: settlement.id }, 'A call could not be settled.');
      }
      this.close([settlement]);
    }
    return true;
  }

  private async writeSettlements(batch: readonly Settlement[]): Promise<void> {
    await this.database.call(SETTLE, [
      batch.map((item) => item.id),
      batch.map((item) => item.outcome),
      batch.map((item) => item.statusCode),
      batch.map((item) => item.inputTokens),
      batch.map((item) => item.outputTokens),
      batch.map((item) => item.estimated),
      batch.map((item) => Math.round(item.latencyMs)),
    ]);
  }

  private oldestOpenMs(): number | null {
    for (const reservedAtMs of this.open.values()) return performance.now() - reservedAtMs;
    return null;
  }
}

/** What each item has of something that most have not; null where none has it, which spares Postgres the whole question. */
function someOf<T>(items: readonly Reservation[], pick: (item: Reservation) => T | null): (T | null)[] | null {
  const picked = items.map(pick);
  return picked.some((value) => value !== null) ? picked : null;
}
