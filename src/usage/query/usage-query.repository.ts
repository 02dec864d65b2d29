import { Injectable } from '@nestjs/common';
import { Database, isCanceled, type TenantTransaction } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { cursorStatement, HOLD_MONTHS, pageStatement, TEXT_GROUPS, type QueryShape } from './usage-query-statement.js';

/** Shorter than a connection's time-out: a query that takes longer gets a clear error, and the connection is kept. */
const STATEMENT_TIMEOUT_MS = 4000;
const FETCHED_AT_ONCE = 500;

export interface UsageQuery extends QueryShape {
  readonly tenantId: string;
  readonly from: Date;
  /** Exclusive. */
  readonly before: Date;
  readonly timeZone: string;
  /** Null: any. */
  readonly humanId: string | null;
  readonly keyId: string | null;
  readonly userId: string | null;
  readonly model: string | null;
  readonly provider: string | null;
  readonly gatewayId: string | null;
  readonly outcome: string | null;
}

/** Sums as decimal digits: calls, requests and tokens whole, the others in millionths. */
export interface UsageSums {
  readonly calls: string;
  readonly failed: string;
  readonly requests: string;
  readonly input_tokens: string;
  readonly output_tokens: string;
  readonly cost: string;
  readonly unpriced: string;
  readonly conversational: string;
  readonly voice: string;
  readonly memory: string;
}

type GroupColumn = (typeof TEXT_GROUPS)[number][1];

/** The place of a row among the others; a column that is not grouped by, or has no value, is empty. */
export type UsageCursor = {
  readonly bucket: Date;
  /** The row of all groups that are not named. */
  readonly other: boolean;
} & Readonly<Record<GroupColumn, string>>;

/** One group, with the current names of its ids; null: the row is gone, or never existed. */
export type UsageRow = UsageSums &
  UsageCursor & {
    readonly human: string | null;
    readonly key_name: string | null;
    readonly gateway_name: string | null;
  };

type Totals = { readonly [Name in keyof UsageSums as `total_${Name}`]: string };
type PageRow = Totals & (UsageRow | { readonly bucket: null });

/** Sums over the ledger, read only. */
@Injectable()
export class UsageQueryRepository {
  constructor(private readonly database: Database) {}

  /** @throws Fault invalid_input: there is more usage than can be summed in time */
  async transaction<T>(tenantId: string, work: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    try {
      return await this.database.withTenant(tenantId, async (tx) => {
        await tx.$executeRawUnsafe(`SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`);
        // Compiling these sums would take longer than running them.
        await tx.$executeRawUnsafe('SET LOCAL jit = off');
        return work(tx);
      });
    } catch (error) {
      if (!isCanceled(error)) throw error;
      const reason = 'begins a time with more usage than can be added up at once; ask for a shorter one';
      throw new Fault('invalid_input', `startTime: ${reason}`, { fields: [{ field: 'startTime', reason }] });
    }
  }

  /** Later than everything written so far: the ledger's times are rounded to milliseconds. */
  async now(tx: TenantTransaction): Promise<Date> {
    const [row] = await tx.$queryRawUnsafe<{ now: Date }[]>("SELECT clock_timestamp() + interval '2 ms' AS now");
    if (row === undefined) throw new TypeError('The database told no time.');
    return row.now;
  }

  /** Null: the name is unknown. */
  async humanIdOf(tx: TenantTransaction, tenantId: string, human: string): Promise<string | null> {
    const found = await tx.human.findFirst({ where: { tenantId, human }, select: { id: true } });
    return found?.id ?? null;
  }

  async page(
    tx: TenantTransaction,
    query: UsageQuery,
    after: UsageCursor | null,
    take: number,
  ): Promise<{ rows: UsageRow[]; totals: UsageSums }> {
    const found = await tx.$queryRawUnsafe<PageRow[]>(pageStatement(query), ...valuesOf(query, after), take);
    const [first] = found;
    if (first === undefined) throw new TypeError('A sum has one row.');
    return {
      rows: found.filter((row): row is UsageRow & Totals => row.bucket !== null),
      totals: {
        calls: first.total_calls,
        failed: first.total_failed,
        requests: first.total_requests,
        input_tokens: first.total_input_tokens,
        output_tokens: first.total_output_tokens,
        cost: first.total_cost,
        unpriced: first.total_unpriced,
        conversational: first.total_conversational,
        voice: first.total_voice,
        memory: first.total_memory,
      },
    };
  }

  /** All groups, a few at a time, so that Postgres' answers stay small. */
  async *all(tx: TenantTransaction, query: UsageQuery): AsyncGenerator<UsageRow[]> {
    await tx.$executeRawUnsafe(HOLD_MONTHS);
    await tx.$executeRawUnsafe(cursorStatement(query), ...valuesOf(query, null));
    for (;;) {
      const rows = await tx.$queryRawUnsafe<UsageRow[]>(`FETCH ${FETCHED_AT_ONCE} FROM usage_rows`);
      if (rows.length > 0) yield rows;
      if (rows.length < FETCHED_AT_ONCE) return;
    }
  }
}

function valuesOf(query: UsageQuery, after: UsageCursor | null): unknown[] {
  const { tenantId, from, before, timeZone, humanId, keyId, userId, model, provider, gatewayId, outcome, top } = query;
  return [
    ...[tenantId, from.toISOString(), before.toISOString(), timeZone],
    ...[humanId, keyId, userId, model, provider, gatewayId, outcome, top],
    ...[after?.bucket.toISOString() ?? 'infinity', after?.other ?? false],
    ...TEXT_GROUPS.map(([, column]) => after?.[column] ?? ''),
  ];
}
