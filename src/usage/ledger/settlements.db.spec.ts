import { uuidV7 } from '../../platform/crypto/index.js';
import { eventually } from '../../../test/support/eventually.js';
import { reservation, settlement } from '../../../test/support/ledger-process.js';
import { LedgerStage } from '../../../test/support/ledger-stage.js';
import { cutOnceCommitted, isCallOf } from '../../../test/support/postgres-proxy.js';
import { onDatabase, rowsOf } from '../../../test/support/sql.js';
import { SETTLE, settlementValues } from './ledger-statements.js';
import type { Settlement } from './usage.types.js';

const stage = LedgerStage.forEachTest();
const rows = (id: string) => stage.rows(id);
const countRows = async (): Promise<number> =>
  (await rowsOf(stage.database.superuserUrl, 'SELECT 1 FROM usage_records')).length;
const ids = (count: number): string[] => Array.from({ length: count }, () => uuidV7());

describe('a settlement', () => {
  it('writes the real usage of its call', async () => {
    const { ledger, lease } = await stage.start();
    const { id } = reservation();
    await ledger.reserve(reservation({ id }));
    ledger.settle(
      settlement(id, {
        outcome: 'CLIENT_ABORTED',
        statusCode: 200,
        inputTokens: 3,
        outputTokens: 5,
        estimated: true,
        latencyMs: 1234.5,
        firstByteMs: 417,
      }),
    );
    await ledger.flush();
    expect(await rows(id)).toEqual([
      {
        id,
        kind: 'CALL',
        adjusts: null,
        state: 'SETTLED',
        outcome: 'CLIENT_ABORTED',
        status_code: 200,
        input_tokens: 3,
        output_tokens: 5,
        estimated: true,
        latency_ms: 1235,
        first_byte_ms: 417,
        lease_id: lease.id,
      },
    ]);
  });

  it("happens once: a second one changes nothing, and an estimate never replaces a provider's zero", async () => {
    const { ledger } = await stage.start();
    const { id } = reservation();
    await ledger.reserve(reservation({ id }));
    ledger.settle(settlement(id, { inputTokens: 0, outputTokens: 0 }));
    await ledger.flush();
    const settled = await rows(id);
    ledger.settle(settlement(id, { outcome: 'SHUTDOWN', inputTokens: 50, outputTokens: 60, estimated: true }));
    await ledger.flush();
    expect(await rows(id)).toEqual(settled);
    expect(settled).toEqual([
      expect.objectContaining({ input_tokens: 0, output_tokens: 0, estimated: false, outcome: 'OK' }),
    ]);
  });

  it('happens once although two come in one moment: the first one counts', async () => {
    const { ledger } = await stage.start();
    const made = ids(40);
    await Promise.all(made.map((id) => ledger.reserve(reservation({ id }))));
    for (const id of made) ledger.settle(settlement(id, { outputTokens: 1 }));
    for (const id of made) ledger.settle(settlement(id, { outcome: 'SHUTDOWN', outputTokens: 2 }));
    await ledger.flush();
    for (const id of made)
      expect(await rows(id)).toEqual([expect.objectContaining({ outcome: 'OK', output_tokens: 1 })]);
  });

  it('of a call that was never reserved writes nothing', async () => {
    const { ledger } = await stage.start();
    ledger.settle(settlement(uuidV7()));
    await ledger.flush();
    expect(await countRows()).toBe(0);
  });

  it('of a batch that skips a locked call writes what belongs to its own call, and so does the next batch', async () => {
    const { ledger } = await stage.start();
    const url = stage.database.superuserUrl;
    await rowsOf(url, "INSERT INTO tenants (id, org_id, name) VALUES ('other', 'org_acme', 'Other')");
    const tenants = ['acme', 'other', 'acme', 'other'];
    const made = ids(tenants.length);
    const batch = made.map((id, at) =>
      settlement(id, { tenantId: tenants[at]!, latencyMs: 100 + at, firstByteMs: at }),
    );
    await Promise.all(made.map((id, at) => ledger.reserve(reservation({ id, tenantId: tenants[at]! }))));
    const settle = async (items: readonly Settlement[]) =>
      (await rowsOf<{ again: number[] | null }>(url, SETTLE.text, settlementValues(items, false)))[0]!.again;
    await onDatabase(url, async (holder) => {
      await holder.query('BEGIN');
      await holder.query('SELECT 1 FROM usage_records WHERE id = $1 FOR UPDATE', [made[1]]);
      expect(await settle(batch)).toEqual([2]);
      await holder.query('COMMIT');
    });
    expect(await settle([batch[1]!])).toEqual(null);
    const written = await Promise.all(made.map(async (id) => (await rows(id))[0]!));
    expect(written.map(({ latency_ms, first_byte_ms }) => [latency_ms, first_byte_ms])).toEqual([
      [100, 0],
      [101, 1],
      [102, 2],
      [103, 3],
    ]);
  });

  it('of many simultaneous calls is a few statements', async () => {
    const { ledger, proxy } = await stage.start();
    const made = ids(300);
    await Promise.all(made.map((id) => ledger.reserve(reservation({ id }))));
    proxy.statements = 0;
    for (const id of made) ledger.settle(settlement(id));
    await ledger.flush();
    // A statement has at most 96 calls.
    expect(proxy.statements).toBe(4);
    expect(
      await rowsOf(stage.database.superuserUrl, "SELECT 1 FROM usage_records WHERE state = 'SETTLED'"),
    ).toHaveLength(300);
  });

  it('that Postgres refuses delays no other', async () => {
    const { ledger } = await stage.start();
    const made = ids(5);
    await Promise.all(made.map((id) => ledger.reserve(reservation({ id }))));
    for (const [index, id] of made.entries()) ledger.settle(settlement(id, index === 2 ? { inputTokens: NaN } : {}));
    await ledger.flush();
    const states = await Promise.all(made.map(async (id) => (await rows(id))[0]!.state));
    expect(states).toEqual(['SETTLED', 'SETTLED', 'RESERVED', 'SETTLED', 'SETTLED']);
    expect(ledger.pendingSettlements).toBe(0);
  });

  it('is not lost where the database goes down while a refused one is separated', async () => {
    const { ledger, proxy } = await stage.start();
    const made = ids(3);
    await Promise.all(made.map((id) => ledger.reserve(reservation({ id }))));
    let settles = 0;
    proxy.judge = (message) => {
      if (!isCallOf('settle_usage', message)) return 'pass';
      settles += 1;
      return settles === 2 ? 'cut-before' : 'pass';
    };
    for (const [index, id] of made.entries()) ledger.settle(settlement(id, index === 2 ? { inputTokens: NaN } : {}));
    await eventually(() => ledger.pendingSettlements === 0);
    expect(settles).toBeGreaterThanOrEqual(2);
    for (const id of made.slice(0, 2))
      expect((await rows(id))[0]).toMatchObject({ state: 'SETTLED', output_tokens: 11 });
  });

  it('whose answer was lost is written once', async () => {
    const { ledger, proxy } = await stage.start();
    const { id } = reservation();
    await ledger.reserve(reservation({ id }));
    cutOnceCommitted(proxy, 'settle_usage');
    ledger.settle(settlement(id));
    await eventually(() => ledger.pendingSettlements === 0);
    expect(await rows(id)).toEqual([expect.objectContaining({ state: 'SETTLED', input_tokens: 7, output_tokens: 11 })]);
  });

  it("during the service's stop is written although its connection breaks", async () => {
    const { ledger, proxy } = await stage.start();
    const { id } = reservation();
    await ledger.reserve(reservation({ id }));
    proxy.judge = (message) => {
      if (!isCallOf('settle_usage', message)) return 'pass';
      proxy.judge = () => 'pass';
      return 'cut-before';
    };
    ledger.settle(settlement(id));
    await ledger.beforeApplicationShutdown();
    expect(await rows(id)).toEqual([expect.objectContaining({ state: 'SETTLED', output_tokens: 11 })]);
  });

  it("before the service's stop is written before the stop ends", async () => {
    const process = await stage.start();
    const made = ids(50);
    await Promise.all(made.map((id) => process.ledger.reserve(reservation({ id }))));
    for (const id of made) process.ledger.settle(settlement(id));
    await process.stop();
    expect(
      await rowsOf(stage.database.superuserUrl, "SELECT 1 FROM usage_records WHERE state = 'SETTLED'"),
    ).toHaveLength(50);
  });
});
