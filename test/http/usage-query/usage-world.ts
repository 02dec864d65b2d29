/** A ledger with usage of every kind, and the queries that add it up. */
import { randomUUID } from 'node:crypto';
import { uuidV7 } from '../../../src/platform/crypto/index.js';
import type { Reservation, Settlement } from '../../../src/usage/index.js';
import { reservation, settlement, startLedgerProcess, type LedgerProcess } from '../../support/ledger-process.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';

export interface Row {
  readonly startTime?: string;
  readonly model?: string;
  readonly keyId?: string;
  readonly human?: string;
  readonly humanId?: string;
  readonly [measure: string]: string | undefined;
}
export interface Page {
  readonly startTime: string;
  readonly endTime: string;
  readonly rows: Row[];
  readonly totals: Row;
  readonly nextPageToken: string;
}

export const MEASURES = [
  'callCnt',
  'failedCallCnt',
  'requestCnt',
  'tokenCnt',
  'inputTokens',
  'outputTokens',
  'costMicros',
  'unpricedRequestCnt',
  'conversationalSeconds',
  'voiceSynthesisSeconds',
  'memoryMessageCnt',
] as const;

export const HUMANS = ['ann@example.org', '=1+1', '👩‍👩‍👧‍👦 "the, family"'];

export const LONG = { startTime: new Date(Date.now() - 200 * 24 * 3600_000).toISOString() };
/** Millionths as exact decimals, as Postgres writes them. */
const decimal = (column: string): string => `trim_scale(coalesce(sum(${column}), 0) / 1000000.0)::text`;

export class UsageWorld {
  private constructor(
    readonly service: TestService,
    readonly ledger: LedgerProcess,
    /** A process whose calls a sweep charges whole. */
    private readonly dying: LedgerProcess,
    readonly org: Org,
    readonly key: string,
    readonly keyId: string,
  ) {}

  static async start(): Promise<UsageWorld> {
    const service = await startService({ settings: { requestsPerMinute: 1_000_000 } });
    // Its lease is renewed: otherwise the service would sweep its open calls in the middle of a test.
    const ledger = await startLedgerProcess(service.database.ownerUrl, {}, true);
    const dying = await startLedgerProcess(service.database.ownerUrl);
    const org = await service.seedOrg();
    const { key, keyId } = await service.createKey(org, { scopes: ['usage:read', 'usage:write', 'humans:write'] });
    const world = new UsageWorld(service, ledger, dying, org, key, keyId);
    await world.makeUsage();
    return world;
  }

  async stop(): Promise<void> {
    await this.ledger.stop();
    await this.dying.stop();
    await this.service.stop();
  }

  async call(
    reserved: Partial<Reservation>,
    settled: Partial<Settlement> | null,
    by: LedgerProcess = this.ledger,
  ): Promise<string> {
    const id = uuidV7();
    await by.ledger.reserve(reservation({ id, tenantId: this.org.tenantId, ...reserved }));
    if (settled !== null) by.ledger.settle(settlement(id, { tenantId: this.org.tenantId, ...settled }));
    await by.ledger.flush();
    return id;
  }

  send(route: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.service.call('POST', `/api/v1/${route}`, { headers: { 'x-api-key': this.key, ...headers }, body });
  }

  async query(body: object): Promise<Page> {
    const answer = await this.send('usage/query', { ...LONG, ...body });
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
    return answer.json<Page>();
  }

  async every(body: object): Promise<{ rows: Row[]; totals: Row }> {
    const rows: Row[] = [];
    let page: Page | undefined;
    do {
      page = await this.query({ pageSize: 7, ...body, pageToken: page?.nextPageToken ?? '' });
      rows.push(...page.rows);
    } while (page.nextPageToken !== '');
    return { rows, totals: page.totals };
  }

  /** The ledger's own numbers, in plain sums. */
  async plainSums(where = 'true', ofCalls = 'true'): Promise<Record<string, string>> {
    const [calls] = await this.service.sql<Record<string, string>>(
      `SELECT count(*) FILTER (WHERE kind = 'CALL')::text AS "callCnt",
              count(*) FILTER (WHERE kind = 'CALL' AND outcome IS DISTINCT FROM 'OK')::text AS "failedCallCnt",
              coalesce(sum(requests), 0)::text AS "requestCnt",
              coalesce(sum(input_tokens + output_tokens), 0)::text AS "tokenCnt",
              coalesce(sum(input_tokens), 0)::text AS "inputTokens", coalesce(sum(output_tokens), 0)::text AS "outputTokens",
              ${decimal('cost_pico_usd')} AS "costMicros",
              coalesce(sum(requests) FILTER (WHERE cost_pico_usd IS NULL), 0)::text AS "unpricedRequestCnt"
       FROM usage_records
       WHERE tenant_id = $1 AND kind IN ('CALL', 'ADJUSTMENT') AND state IN ('SETTLED', 'SWEPT') AND ${where} AND ${ofCalls}`,
      [this.org.tenantId],
    );
    const reports: Record<string, string> = {};
    for (const [name, type] of [
      ['conversationalSeconds', 'conversational_seconds'],
      ['voiceSynthesisSeconds', 'voice_synthesis_seconds'],
      ['memoryMessageCnt', 'memory_message_cnt'],
    ] as const) {
      const [row] = await this.service.sql<{ sum: string }>(
        `SELECT ${decimal('micro_units')} AS sum FROM usage_reports
         WHERE tenant_id = $1 AND type = $2 AND ${where} AND ${ofCalls === 'true' ? 'true' : 'false'}`,
        [this.org.tenantId, type],
      );
      reports[name] = row!.sum;
    }
    return { ...calls, ...reports };
  }

  /** Usage of every kind that the ledger can hold, over two months. */
  private async makeUsage(): Promise<void> {
    const price = { inputPicoUsd: 2_500_000n, outputPicoUsd: 10_000_001n };
    for (const [index, human] of [...HUMANS, null].entries()) {
      for (const model of ['gpt-4o-mini', '@cf/model-1']) {
        await this.call(
          { human, model, keyId: this.keyId, price },
          { inputTokens: 10 + index, outputTokens: 7, costPicoUsd: 95_000_007n },
        );
        await this.call({ human, model, keyId: null, userId: 'ann' }, { inputTokens: 3 });
      }
      await this.call(
        { human, keyId: 'key_other' },
        { outcome: 'UPSTREAM_ERROR', inputTokens: 0, outputTokens: 0, counted: false },
      );
    }
    // An open call is in no sum.
    await this.call({ human: HUMANS[0]!, keyId: this.keyId }, null);
    // Charged whole by the sweeper; a correction of one follows.
    const swept = [];
    for (const human of HUMANS) swept.push(await this.call({ human, keyId: this.keyId, price }, null, this.dying));
    await this.service.sql('UPDATE process_leases SET ended_at = clock_timestamp() WHERE id = $1', [
      this.dying.lease.id,
    ]);
    await this.service.sql("SELECT sweep_usage('1 second', '1 day')");
    this.ledger.ledger.settle(
      settlement(swept[1]!, {
        tenantId: this.org.tenantId,
        inputTokens: 5,
        outputTokens: 6,
        costPicoUsd: 1n,
        counted: true,
      }),
    );
    await this.ledger.ledger.flush();
    for (const type of ['conversational_seconds', 'voice_synthesis_seconds', 'memory_message_cnt']) {
      for (const value of ['1.000001', '0.25']) {
        const body = { type, value, human: HUMANS[1], idempotency_key: randomUUID() };
        expect((await this.send('usage/report', body)).status).toBe(200);
      }
    }
    await this.service.sql(
      `UPDATE usage_records SET provider = CASE WHEN model = '@cf/model-1' THEN 'anthropic' ELSE provider END,
                                gateway_id = CASE WHEN key_id IS NULL THEN 'gw_1' END
       WHERE tenant_id = $1 AND state <> 'RESERVED'`,
      [this.org.tenantId],
    );
    await this.service.sql(
      `UPDATE usage_records SET created_at = date_trunc('day', now(), 'UTC') - interval '40 days' * random()
       WHERE tenant_id = $1 AND state <> 'RESERVED'`,
      [this.org.tenantId],
    );
  }
}
