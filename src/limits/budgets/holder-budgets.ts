import { Injectable } from '@nestjs/common';
import type { TenantTransaction } from '../../platform/database/index.js';
import type { Period } from './budgets.dto.js';
import { BudgetsRepository } from './budgets.repository.js';
import type { LimitType } from './usage-limits.js';

export const PLAIN_PERIODS = ['MINUTE', 'HOUR', 'DAY', 'MONTH'] as const;

/** A budget of all models by the minute, hour, day or month of UTC, in units. */
export interface PlainBudget {
  readonly type: LimitType;
  readonly period: Period;
  readonly limit: bigint;
}

/** A transaction of the room that owns the holder. */
export interface HolderTransaction {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

const MICROS = 1_000_000n;

/** Budgets for another room's holders: the room sets them together with the holder, and deletes them with it. */
@Injectable()
export class HolderBudgets {
  constructor(private readonly repository: BudgetsRepository) {}

  /**
   * Gives a holder exactly these plain budgets. A plain budget that stays keeps what is used of it;
   * other budgets do not change.
   *
   * @param holder its kind, a colon and its id
   */
  async setPlain(own: HolderTransaction, holder: string, budgets: readonly PlainBudget[]): Promise<void> {
    await this.repository.lockOf(own, [holder]);
    const before = (await this.repository.listPlain(own, [holder])).filter(
      ({ type, period }) => !budgets.some((budget) => budget.type === type && budget.period === period),
    );
    for (const { id } of before) await this.repository.delete(own, id);
    for (const { type, period, limit } of budgets) {
      await this.repository.set(own, {
        ...{ holder, type, period, timeZone: 'UTC', models: [], amount: limit * MICROS },
        ...{ raiseBy: 0n, raiseUntil: null, alertAt: null },
      });
    }
  }

  /** The plain budgets of each of these holders. */
  async plainOf(own: HolderTransaction, holders: readonly string[]): Promise<ReadonlyMap<string, PlainBudget[]>> {
    const byHolder = new Map<string, PlainBudget[]>(holders.map((holder) => [holder, []]));
    for (const { holder, type, period, amount } of await this.repository.listPlain(own, holders))
      byHolder.get(holder)?.push({ type, period, limit: amount / MICROS });
    return byHolder;
  }

  /** Whether this is a gateway without authentication that no budget bounds. */
  isBoundless(own: HolderTransaction, holder: string): Promise<boolean> {
    return this.repository.isBoundless(own, holder);
  }

  /** Deletes the budgets of deleted holders. Open calls then settle into the ledger alone. */
  deleteAll(own: HolderTransaction, holders: readonly string[]): Promise<void> {
    return this.repository.deleteOf(own, holders);
  }
}
