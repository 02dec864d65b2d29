import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { Metrics } from '../../platform/metrics/index.js';
import { OpenReservations, type OpenReservation } from './open-reservations.js';
import { Admissions, isRefusal, type Admitted, type Refusal } from './admissions.js';
import { BusyBudgets } from './busy-budgets.js';
import { ADMIT, ADMIT_ANSWERED, admissionsText } from './ledger-statements.js';
import { ProcessLease } from './process-lease.js';
import { refusedAdmission } from './refused-admission.js';
import { SettlementQueue } from './settlement-queue.js';
import type { Admission, AnsweredCall, Reservation, Settlement } from './usage.types.js';

const DISOWN_AGAIN_MS = 10_000;
const SETTLED_WAIT_MS = 2000;

/**
 * The ledger of governed calls: reserve, then dispatch, then settle.
 *
 * - `reserve` resolves only once the reservation is committed, so that no call goes upstream unrecorded.
 * - Each reservation is settled once: by `settle`, or, if this process dies, by a sweeper that charges it whole. Settlements
 *   that can't be written wait in a bounded queue; while it is full, `reserve` answers 503.
 * - Budgets are judged and charged by the statements that reserve and settle: of N parallel calls against room for M exactly M
 *   pass, on any number of replicas. A call that would fit without open calls waits for their settlements.
 */
@Injectable()
export class UsageLedger implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly admissions: Admissions;
  private readonly answered: Admissions<AnsweredCall>;
  private readonly busy: BusyBudgets;
  private readonly settlements: SettlementQueue;
  private readonly open = new OpenReservations();
  private admittedBy: (tenantId: string, human: string) => void = () => undefined;

  constructor(
    database: Database,
    private readonly lease: ProcessLease,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
    private readonly metrics: Metrics,
  ) {
    this.admissions = new Admissions(database, lease, {
      statement: ADMIT,
      told: (items) => [admissionsText(items)],
      onAbandoned: (item) => this.disown(item),
      onNotSent: ({ id }) => this.open.delete(id),
    });
    this.answered = new Admissions<AnsweredCall>(database, lease, {
      statement: ADMIT_ANSWERED,
      told: (items) => [admissionsText(items), items.map(({ latencyMs }) => Math.round(latencyMs))],
      // Nothing to clean up: such a call is committed as settled, or not at all.
      onAbandoned: () => undefined,
      onNotSent: () => undefined,
    });
    this.busy = new BusyBudgets(settings.admissionWaitMs);
    this.settlements = new SettlementQueue(database, metrics, (written) => this.close(written));
  }

  async onApplicationBootstrap(): Promise<void> {
    this.metrics.read('gatehouse_ledger_pending_settlements', () => this.settlements.size);
    this.metrics.read('gatehouse_ledger_waiting_calls', () => this.busy.size);
    this.metrics.read('gatehouse_ledger_waiting_budgets', () => this.busy.budgets);
    await this.lease.start(
      () => ageMsOf(this.open.oldest),
      (swept) => this.metrics.orphansSwept.inc(swept),
    );
  }

  /**
   * @throws Fault nothing may be sent upstream: unavailable; unauthenticated: the tenant is gone; usage_limit_exceeded,
   *   usage_limit_busy; invalid_input: a limit can't judge the call
   */
  async reserve(reservation: Reservation): Promise<Admission> {
    if (this.settlements.size >= this.settings.ledgerQueueLimit) {
      throw new Fault('unavailable', 'The usage ledger is behind; try again shortly.', { retryAfterSeconds: 2 });
    }
    const { id, tenantId, human } = reservation;
    this.open.set(id, { reservedAtMs: performance.now(), tenantId, human });
    let admitted: Admitted;
    try {
      let asked = reservation;
      admitted = await this.admissions.add(asked);
      if (isRefusal(admitted) && admitted.verdict === 'rough' && asked.closer !== null) {
        asked = asked.closer();
        admitted = await this.admissions.add(asked);
      }
      if (isRefusal(admitted) && admitted.verdict === 'busy')
        admitted = await this.busy.wait(asked.tenantId, admitted, () => this.admissions.add(asked));
    } catch (error) {
      // A fault may hide a commit: the reservation stays open until `disown` has settled it.
      if (!(error instanceof Fault)) this.open.delete(id);
      throw error;
    }
    if (isRefusal(admitted)) {
      this.open.delete(id);
      throw this.refused(admitted, reservation);
    }
    if (human !== null) this.admittedBy(tenantId, human);
    return admitted;
  }

  /** Registers a listener for the human of each admitted call. */
  tellAdmitted(tell: (tenantId: string, human: string) => void): void {
    this.admittedBy = tell;
  }

  /**
   * Admits a call whose answer is known already, and settles it in the same statement, since its cost (one request) is certain.
   *
   * @throws Fault as `reserve` does
   */
  async record(call: AnsweredCall): Promise<Admission> {
    let admitted = await this.answered.add(call);
    if (isRefusal(admitted) && admitted.verdict === 'busy')
      admitted = await this.busy.wait(call.tenantId, admitted, () => this.answered.add(call));
    if (isRefusal(admitted)) throw this.refused(admitted, call);
    if (call.human !== null) this.admittedBy(call.tenantId, call.human);
    return admitted;
  }

  /**
   * Reserves the smallest possible call, which the ledger refuses if nothing is left. If it is admitted, since room came back
   * meanwhile, it is given back at once.
   *
   * @throws Fault as `reserve` does
   */
  async refuseIfExhausted(least: Reservation): Promise<void> {
    await this.reserve(least);
    this.settle(notSent(least));
  }

  /** Never throws: the settlement waits here until the database takes it. */
  settle(settlement: Settlement): void {
    this.settlements.add(settlement);
  }

  /** How many settlements wait for the database. */
  get pendingSettlements(): number {
    return this.settlements.size;
  }

  /** Waits until all current settlements are written or refused. */
  async flush(): Promise<void> {
    await this.settlements.flush();
  }

  /**
   * Waits a moment until one human's current settlements are written; not longer, since the database may be away.
   * Does not wait for open calls.
   */
  async settledOf(tenantId: string, human: string): Promise<void> {
    const isPending = (): boolean =>
      this.settlements.some(({ id }) => {
        const call = this.open.get(id);
        return call?.tenantId === tenantId && call.human === human;
      });
    const until = performance.now() + SETTLED_WAIT_MS;
    while (isPending() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.settlements.close();
    await this.lease.stop();
  }

  private refused(refusal: Refusal, reservation: Reservation): Fault {
    this.metrics.admissionsRefused.inc({ reason: refusal.verdict });
    return refusedAdmission(refusal, reservation);
  }

  private close(written: readonly Settlement[]): void {
    for (const { id } of written) this.open.delete(id);
    for (const tenantId of new Set(written.map((settlement) => settlement.tenantId))) this.busy.released(tenantId);
  }

  /**
   * Settles a call that was refused although its reservation may be committed, now or later: a statement can outlive the
   * connection that sent it, so the settlement is sent twice. Without such a row it changes nothing.
   */
  private disown(reservation: Reservation): void {
    const settlement = notSent(reservation);
    this.settlements.add(settlement);
    setTimeout(() => this.settlements.add(settlement), DISOWN_AGAIN_MS).unref();
  }
}

function ageMsOf(reservation: OpenReservation | null): number | null {
  return reservation === null ? null : performance.now() - reservation.reservedAtMs;
}

/** The settlement of a reservation whose call was never sent. */
function notSent({ id, tenantId }: Reservation): Settlement {
  return {
    id,
    tenantId,
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
    firstByteMs: null,
  };
}
