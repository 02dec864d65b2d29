import { GroupCommit, isLockTimeout, type Database, type NamedStatement } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import type { AdmittedRow, Blame, Verdict } from './ledger-statements.js';
import type { ProcessLease } from './process-lease.js';
import type { Admission, Reservation, TokenRoom } from './usage.types.js';

/** A longer batch would hold its budgets for too long. */
const MAX_BATCH = 96;
const ADMIT_WAIT_MS = 3000;
/** How long batches skip locked budgets, after one met a lock that lasts. */
const SKIP_MS = 1000;
/** How often a batch is sent whose calls turn out to be recorded already: another try of it may still be under way. */
const MOST_SENDS = 3;

/** Why a call may not go upstream, and the budget that refused it, if one did. */
export interface Refusal {
  readonly verdict: Exclude<Verdict, 'again'>;
  readonly blame: Blame | null;
}

/** The answer to a reservation: what the call may do, or why it may not. */
export type Admitted = Admission | Refusal;

export function isRefusal(admitted: Admitted): admitted is Refusal {
  return 'verdict' in admitted;
}

interface TenantLane<Item> {
  readonly lane: GroupCommit<Item, Admitted>;
  /** How many calls are in the lane. */
  count: number;
}

export interface AdmissionOptions<Item extends Reservation> {
  /** The statement that admits calls, and its parameters for them. */
  readonly statement: NamedStatement;
  readonly told: (items: readonly Item[]) => readonly unknown[];
  /** Called for a reservation that may have been committed although its caller was refused. */
  readonly onAbandoned: (item: Item) => void;
  /** Called for a reservation that no statement carried. */
  readonly onNotSent: (item: Item) => void;
}

/**
 * Sends reservations of many calls as one statement. A batch waits at most 100 ms for locked budgets, which usually belong to
 * another batch and are free in milliseconds. After a longer wait, batches skip locked budgets for a second: skipped calls go
 * to a lane of their own, and after another wait to one for each tenant. So no call waits long for another tenant's lock.
 */
export class Admissions<Item extends Reservation = Reservation> {
  private readonly shared: GroupCommit<Item, Admitted>;
  private readonly passedOver: GroupCommit<Item, Admitted>;
  private readonly ofTenants = new Map<string, TenantLane<Item>>();
  private skipUntilMs = -Infinity;

  constructor(
    private readonly database: Database,
    private readonly lease: ProcessLease,
    private readonly options: AdmissionOptions<Item>,
  ) {
    this.shared = this.lane((items) => this.admitShared(items));
    this.passedOver = this.lane((items) => this.admitPassedOver(items));
  }

  /** @throws Fault unavailable */
  add(reservation: Item): Promise<Admitted> {
    return this.shared.add(reservation);
  }

  private lane(
    run: (items: readonly Item[]) => Promise<readonly (Admitted | Promise<Admitted>)[]>,
  ): GroupCommit<Item, Admitted> {
    return new GroupCommit({
      what: 'The usage ledger',
      maxItems: MAX_BATCH,
      waitMs: ADMIT_WAIT_MS,
      run,
      onAbandoned: this.options.onAbandoned,
      onNotSent: this.options.onNotSent,
    });
  }

  private async admitShared(items: readonly Item[]): Promise<readonly (Admitted | Promise<Admitted>)[]> {
    const isPatient = performance.now() >= this.skipUntilMs;
    const admitted = (await this.tryWrite(items, isPatient)) ?? (isPatient ? await this.tryWrite(items, false) : null);
    return admitted ?? items.map((item) => this.addToTenants(item));
  }

  private async admitPassedOver(items: readonly Item[]): Promise<readonly (Admitted | Promise<Admitted>)[]> {
    return (await this.tryWrite(items, true)) ?? items.map((item) => this.addToTenants(item));
  }

  /** One lane for each tenant whose budgets another transaction holds; removed when its calls are done. */
  private async addToTenants(item: Item): Promise<Admitted> {
    const { tenantId } = item;
    const own = this.ofTenants.get(tenantId) ?? { lane: this.lane((items) => this.admitOfTenant(items)), count: 0 };
    this.ofTenants.set(tenantId, own);
    own.count += 1;
    try {
      return await own.lane.add(item);
    } finally {
      own.count -= 1;
      if (own.count === 0) this.ofTenants.delete(tenantId);
    }
  }

  private async admitOfTenant(items: readonly Item[]): Promise<readonly (Admitted | Promise<Admitted>)[]> {
    const deadline = performance.now() + ADMIT_WAIT_MS;
    while (performance.now() < deadline) {
      const admitted = await this.tryWrite(items, true);
      if (admitted !== null) return admitted;
    }
    throw new Fault('unavailable', "The tenant's budgets are being changed; try again shortly.", {
      retryAfterSeconds: 2,
    });
  }

  /** Null: a lock lasted too long, and nothing was written. */
  private async tryWrite(
    items: readonly Item[],
    wait: boolean,
  ): Promise<readonly (Admitted | Promise<Admitted>)[] | null> {
    try {
      return await this.write(items, wait);
    } catch (error) {
      if (hasNoPartition(error)) throw withoutPartition(items);
      if (!isLockTimeout(error)) throw error;
      this.skipUntilMs = performance.now() + SKIP_MS;
      return null;
    }
  }

  private async write(items: readonly Item[], wait: boolean): Promise<readonly (Admitted | Promise<Admitted>)[]> {
    for (let attempt = 0; ; attempt += 1) {
      const row = await this.send(items, wait);
      if (row.alive) return items.map((item, index) => this.admittedOf(item, row, index));
      if (attempt === 1)
        throw new Fault('unavailable', 'The usage ledger cannot be reached. Try again shortly.', {
          retryAfterSeconds: 2,
        });
      await this.lease.renew();
    }
  }

  /** If a call is recorded already, sends the batch again and says that calls may be: that is rare, and costs a look-up. */
  private async send(items: readonly Item[], wait: boolean): Promise<AdmittedRow> {
    const { statement, told } = this.options;
    const values = [this.lease.id, ...told(items)];
    for (let sends = 1; ; sends += 1) {
      try {
        // Null: for the first time, so that Postgres need not look the calls up.
        const again = sends > 1 ? true : null;
        const [row] = await this.database.call<AdmittedRow & Record<string, unknown>>(statement, [
          ...values,
          again,
          wait,
        ]);
        if (row === undefined) throw new TypeError(`${statement.name} gave no row.`);
        return row;
      } catch (error) {
        if (sends === MOST_SENDS || !isRecorded(error)) throw error;
      }
    }
  }

  private admittedOf(item: Item, row: AdmittedRow, index: number): Admitted | Promise<Admitted> {
    const verdict = row.verdicts?.[index] ?? null;
    if (verdict === 'again') return this.passedOver.add(item);
    if (verdict !== null) return { verdict, blame: row.blamed?.[index] ?? null };
    const granted = row.granted?.[index] ?? null;
    const room = row.rooms?.[index] ?? null;
    return {
      limited: granted !== null,
      outputTokens: granted === null ? item.reservedOutputTokens : Number(granted),
      ...(room === null ? {} : { tokenRoom: tokenRoomOf(room) }),
    };
  }
}

/** @param text from `rooms` in admit_usage */
function tokenRoomOf(text: string): TokenRoom {
  const [left = 0, limit = 0, renewsInMs = 0] = text.split(',').map(Number);
  return { left, limit, renewsInMs };
}

/** Partitions are made months ahead: either this process's clock is far off, or making them has failed for months. */
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

/** A call of the batch is recorded already: the function says so, or the ledger's primary key does. */
function isRecorded(error: unknown): boolean {
  if (!(error instanceof Error && 'code' in error)) return false;
  return (
    error.code === 'GH001' ||
    (error.code === '23505' && 'table' in error && /^usage_records_/.test(String(error.table)))
  );
}
