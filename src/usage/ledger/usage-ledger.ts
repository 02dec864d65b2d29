import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database, GroupCommit } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import { Metrics } from '../../platform/metrics/index.js';
import { RESERVE, SETTLE, reserveValues, settleValues, type ReservedRow, type Verdict } from './ledger-statements.js';
import { OpenReservations, type OpenReservation } from './open-reservations.js';
import { ProcessLease } from './process-lease.js';
import { refusedAdmission } from './refused-admission.js';
import type { Admission, Reservation, Settlement } from './usage.types.js';

const MAX_BATCH = 500;
const RESERVE_WAIT_MS = 3000;
const SETTLE_GATHER_MS = 10;
const SETTLE_RETRY_MS = 500;
const DISOWN_AGAIN_MS = 10_000;
const SETTLED_WAIT_MS = 2000;
/** Once the process is about to end: a connection that just broke is made anew. */
const LAST_TRIES = 3;

/** A reservation's fate: what it may do, or why it may not. */
type Reserved = Admission | Verdict;

/**
 * The ledger of governed calls: reserve, then dispatch, then settle.
 *
 * Guarantees: `reserve` resolves only once the reservation is committed, so that no call goes upstream unrecorded. Each
 * reservation is settled once: by `settle`, or, should this process die, by a sweeper that charges it whole. A
 * settlement that can't be written waits in a bounded queue; while that is full, `reserve` answers 503. Limits of humans
 * are judged and charged in the very statements that reserve and settle: of N parallel calls against room for M exactly M
 * pass, on any number of replicas.
 */
@Injectable()
export class UsageLedger implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly reservations: GroupCommit<Reservation, Reserved>;
  private readonly open = new OpenReservations();
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
      () => ageMsOf(this.open.oldest),
      (swept) => this.metrics.orphansSwept.inc(swept),
    );
  }

  /**
   * @throws Fault nothing may be sent upstream: unavailable; unauthenticated where the tenant is gone; usage_limit_exceeded;
   *   invalid_input where a limit can't judge the call
   */
  async reserve(reservation: Reservation): Promise<Admission> {
    if (this.pending.length >= this.settings.ledgerQueueLimit) {
      throw new Fault('unavailable', 'The usage ledger is behind; try again shortly.', { retryAfterSeconds: 2 });
    }
    this.open.set(reservation.id, { reservedAtMs: performance.now(), charged: chargedBy(reservation) });
    let reserved: Reserved;
    try {
      reserved = await this.reservations.add(reservation);
    } catch (error) {
      // A 503 may hide a commit; that reservation is open until `disown` has settled it.
      if (!(error instanceof Fault)) this.open.delete(reservation.id);
      throw error;
    }
    if (typeof reserved === 'object') return reserved;
    this.open.delete(reservation.id);
    this.metrics.admissionsRefused.inc({ reason: reserved });
    throw refusedAdmission(reserved, reservation);
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

  /**
   * Waits until what is settled so far of one human's calls is written; not longer than a moment, since the database may be
   * away. Calls that are still under way are not waited for.
   */
  async settledOf(tenantId: string, human: string): Promise<void> {
    const charged = chargedAs(tenantId, human);
    const isPending = (): boolean => this.pending.some(({ id }) => this.open.get(id)?.charged === charged);
    const until = performance.now() + SETTLED_WAIT_MS;
    while (isPending() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.closing = true;
    await this.flush();
    await this.lease.stop();
  }

  private async writeReservations(items: readonly Reservation[]): Promise<readonly Reserved[]> {
    for (let attempt = 0; ; attempt += 1) {
      const [row] = await this.database
        .call<ReservedRow & Record<string, unknown>>(RESERVE, reserveValues(this.lease.id, items))
        .catch((error: unknown) => {
          throw hasNoPartition(error) ? withoutPartition(items) : error;
        });
      if (row?.alive === true) {
        return items.map(({ reservedOutputTokens }, index) => {
          const granted = row.granted?.[index] ?? null;
          return (
            row.verdicts?.[index] ?? {
              limited: granted !== null,
              outputTokens: granted === null ? reservedOutputTokens : Number(granted),
            }
          );
        });
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
      tenantId: reservation.tenantId,
      outcome: 'NOT_SENT',
      statusCode: null,
      inputTokens: 0,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 0,
      reasoningTokens: 0,
      costPicoUsd: 0n,
      counted: false,
      estimated: false,
      latencyMs: 0,
    };
    this.settle(settlement);
    setTimeout(() => this.settle(settlement), DISOWN_AGAIN_MS).unref();
  }

  private async drain(): Promise<void> {
    let failures = 0;
    while (this.pending.length > 0) {
      // Nobody waits for a settlement: those of the next moment go along.
      if (!this.closing) await new Promise((resolve) => setTimeout(resolve, SETTLE_GATHER_MS));
      const batch = this.pending.slice(0, MAX_BATCH);
      try {
        await this.writeSettlements(batch);
        this.close(batch);
        failures = 0;
      } catch (error) {
        if (!(error instanceof Fault) && (await this.settleOneByOne(batch))) continue;
        logger.warn({ pending: this.pending.length }, 'Settlements wait for the database.');
        // What is left then is charged whole by whoever sweeps next, and stays so.
        failures += 1;
        if (this.closing && failures > LAST_TRIES) break;
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
        if (error instanceof Fault || !isRefused(error)) return false;
        // Its id stays among the open ones: it is charged whole by whoever sweeps after this process.
        logger.error({ err: error, usageRecordId: settlement.id }, 'A call could not be settled.');
        this.pending = this.pending.slice(1);
        continue;
      }
      this.close([settlement]);
    }
    return true;
  }

  private async writeSettlements(batch: readonly Settlement[]): Promise<void> {
    const [row] = await this.database.call<{ overruns: number }>(SETTLE, settleValues(batch));
    const overruns = row?.overruns ?? 0;
    if (overruns === 0) return;
    this.metrics.overruns.inc(overruns);
    logger.warn({ overruns }, 'Calls used more than the bound that had been reserved for them.');
  }
}

function ageMsOf(reservation: OpenReservation | null): number | null {
  return reservation === null ? null : performance.now() - reservation.reservedAtMs;
}

/** Postgres refuses what it was told (SQLSTATE classes 22 and 23), and would refuse it again. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^2[23]/.test(String(error.code));
}

/** The months of the ids are made ahead: this process's clock is far off, or that has failed for months. */
function hasNoPartition(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('no partition of relation "usage_records"');
}

function withoutPartition(items: readonly Reservation[]): Fault {
  logger.error(
    { usageRecordId: items[0]?.id, clock: new Date().toISOString() },
    "The ledger has no partition for this process's time: compare its clock with the database's.",
  );
  return new Fault('unavailable', 'The usage ledger takes no calls at this time; try again shortly.', {
    retryAfterSeconds: 2,
  });
}

function chargedBy({ tenantId, human }: Reservation): string | null {
  return human === null ? null : chargedAs(tenantId, human);
}

function chargedAs(tenantId: string, human: string): string {
  return `${tenantId}\0${human}`;
}
