import { Inject, Injectable } from '@nestjs/common';
import type { DashboardUserPrincipal, SecretKeyPrincipal } from '../../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database, type TenantTransaction } from '../../platform/database/index.js';
import { invalidField } from '../../platform/errors/index.js';
import { PageTokens } from '../../platform/http/index.js';
import { FairTurns } from '../../platform/shares/index.js';
import { csvHeader, csvLines } from './usage-csv.js';
import type { Measures, QueryUsageRequest, UsageRowView } from './usage-query.dto.js';
import { TEXT_GROUPS } from './usage-query-statement.js';
import { UsageQueryRepository, type UsageCursor, type UsageQuery } from './usage-query.repository.js';
import { viewSums, viewUsageRow } from './usage-query.view.js';

/** Who may see a tenant's whole usage: its people and its servers. */
export type UsageReader = DashboardUserPrincipal | SecretKeyPrincipal;

const DAY_MS = 24 * 60 * 60_000;
const DEFAULT_DAYS = 30;
const MAX_DAYS = 366;
const DEFAULT_PAGE_SIZE = 50;
const MAX_CSV_ROWS = 50_000;
/** Sums take longer than other queries, so callers may wait longer for a turn. */
const TIMES_THE_WAIT = 2;
/** The earliest time that a timestamp can hold. */
const FIRST_TIME = Date.parse('0001-01-01T00:00:00Z');
const UTC = 'UTC';
/** No human has this id: a query for an unknown name finds no row. */
const NOBODY = '';

export interface UsagePage {
  readonly from: Date;
  readonly before: Date;
  readonly rows: UsageRowView[];
  readonly totals: Measures;
  readonly nextPageToken: string;
}

export interface UsageTable {
  readonly from: Date;
  readonly before: Date;
  readonly csv: string;
}

/** Queries of the ledger: what was used, by whom, by which key, of which model, when. */
@Injectable()
export class UsageQueryService {
  /** A query takes up to seconds; more of them at once would be as slow, and hold more connections. */
  readonly turns: FairTurns;

  constructor(
    private readonly repository: UsageQueryRepository,
    private readonly pageTokens: PageTokens,
    private readonly database: Database,
    @Inject(SETTINGS_TOKEN) settings: Settings,
  ) {
    const { usageQueries: most, orgUsageQueries, queryWaitMs, tenantUsageQueriesWaiting: waitingOfTenant } = settings;
    const ofOrg = Math.min(orgUsageQueries, most - 1);
    this.turns = new FairTurns({
      what: 'usage queries',
      most,
      ofOrg,
      ofTenant: ofOrg,
      waitingOfTenant,
      waitMs: queryWaitMs * TIMES_THE_WAIT,
      ofTenantSetting: 'GATEHOUSE_ORG_USAGE_QUERIES',
      ofOrgSetting: 'GATEHOUSE_ORG_USAGE_QUERIES',
      allSetting: 'GATEHOUSE_USAGE_QUERIES',
    });
  }

  /**
   * One page, with the totals of all pages. The next pages cover the same time as the first, since their token holds it.
   *
   * @throws Fault invalid_input: a malformed or too long time; a page token of another query
   */
  page({ tenantId }: UsageReader, request: QueryUsageRequest): Promise<UsagePage> {
    const { pageSize, pageToken, groupBy, ...asked } = request;
    const scope = `usage/query:${tenantId}:${JSON.stringify([groupBy, asked])}`;
    const position = positionOf(this.pageTokens.read(scope, pageToken));
    const take = pageSize || DEFAULT_PAGE_SIZE;
    return this.look(tenantId, async (tx) => {
      const query = await this.resolve(tx, tenantId, request, position);
      const { from, before } = query;
      const found = await this.repository.page(tx, query, position?.after ?? null, take + 1);
      const rows = found.rows.slice(0, take);
      const last = rows.at(-1);
      const nextPageToken =
        found.rows.length > take && last !== undefined ? this.pageTokens.write(scope, tokenOf(query, last)) : '';
      return {
        ...{ from, before, nextPageToken },
        rows: rows.map((row) => viewUsageRow(row, groupBy)),
        totals: viewSums(found.totals),
      };
    });
  }

  /** @throws Fault invalid_input: as above, or more rows than a table may have */
  table({ tenantId }: UsageReader, request: QueryUsageRequest): Promise<UsageTable> {
    if (request.pageToken !== '')
      throw invalidField('pageToken', 'must not be sent with format CSV, which has no pages');
    const { groupBy } = request;
    return this.look(tenantId, async (tx) => {
      const query = await this.resolve(tx, tenantId, request, null);
      const { from, before } = query;
      const parts = [csvHeader(request)];
      let count = 0;
      for await (const rows of this.repository.all(tx, query)) {
        count += rows.length;
        if (count > MAX_CSV_ROWS) {
          throw invalidField('groupBy', `makes more than ${MAX_CSV_ROWS} rows; ask for fewer groups or a shorter time`);
        }
        parts.push(
          csvLines(
            request,
            rows.map((row) => viewUsageRow(row, groupBy)),
          ),
        );
      }
      return { from, before, csv: parts.join('') };
    });
  }

  private async look<T>(tenantId: string, work: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    const owner = await this.database.ownerOf(tenantId);
    return this.turns.run(owner, () => this.repository.transaction(tenantId, work));
  }

  private async resolve(
    tx: TenantTransaction,
    tenantId: string,
    request: QueryUsageRequest,
    position: Position | null,
  ): Promise<UsageQuery> {
    const { startTime, endTime, groupBy, fill, top, topBy, human } = request;
    const before = endTime ?? position?.before ?? (await this.repository.now(tx));
    const from =
      startTime ?? position?.from ?? new Date(Math.max(before.getTime() - DEFAULT_DAYS * DAY_MS, FIRST_TIME));
    if (from >= before) {
      throw endTime === undefined
        ? invalidField('startTime', 'must be in the past')
        : invalidField('endTime', 'must be after startTime');
    }
    if (before.getTime() - from.getTime() > MAX_DAYS * DAY_MS) {
      throw invalidField('startTime', `must be at most ${MAX_DAYS} days before the end`);
    }
    const humanId = human === '' ? null : ((await this.repository.humanIdOf(tx, tenantId, human)) ?? NOBODY);
    return {
      ...{ tenantId, groupBy, fill, top, topBy, from, before, humanId },
      timeZone: request.timeZone || UTC,
      keyId: request.keyId || null,
      userId: request.userId || null,
      model: request.model || null,
      provider: request.provider || null,
      gatewayId: request.gatewayId || null,
      outcome: request.outcome || null,
    };
  }
}

/** The place where a page begins, and the time that the query covers. */
interface Position {
  readonly from: Date;
  readonly before: Date;
  readonly after: UsageCursor;
}

function tokenOf({ from, before }: UsageQuery, row: UsageCursor): (string | number)[] {
  const columns = TEXT_GROUPS.map(([, column]) => row[column]);
  return [from.getTime(), before.getTime(), row.bucket.getTime(), Number(row.other), ...columns];
}

function positionOf(token: readonly (string | number)[] | null): Position | null {
  if (token === null) return null;
  const [from, before, bucket] = token.slice(0, 3).map((part) => new Date(part)) as [Date, Date, Date];
  const [other, ...columns] = token.slice(3);
  const named = TEXT_GROUPS.map(([, column], index) => [column, String(columns[index])]);
  const texts = Object.fromEntries(named) as Omit<UsageCursor, 'bucket' | 'other'>;
  return { from, before, after: { bucket, other: other === 1, ...texts } };
}
