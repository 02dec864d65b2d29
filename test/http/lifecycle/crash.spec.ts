import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream, UPSTREAM_MODEL, streamPieces, usageOf } from '../../support/openai-upstream.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { startServiceProcess, type MadeKey, type Org, type ServiceProcess } from '../../support/service.js';
import { seedTenant } from '../../support/sql.js';
import { TestIssuer } from '../../support/tokens.js';
import { ledgerOf, type LedgerRow } from '../ledger.js';
import { OpenStream } from '../open-stream.js';

const LEASE_SECONDS = 2;

let database: TestDatabase;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let org: Org;
const started: ServiceProcess[] = [];

beforeAll(async () => {
  [database, issuer, upstream] = await Promise.all([createTestDatabase(), TestIssuer.start(), OpenaiUpstream.start()]);
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  org = { orgId, tenantId, user: ownerId };
});

afterAll(async () => {
  await Promise.all(started.map((service) => service.kill9()));
  await upstream.close();
  await issuer.stop();
  await database.drop();
});

async function start(): Promise<ServiceProcess> {
  const service = await startServiceProcess({
    database,
    issuer,
    upstream,
    providerTenants: [org.tenantId],
    env: { GATEHOUSE_LEASE_SECONDS: String(LEASE_SECONDS), GATEHOUSE_SWEEP_SECONDS: '1', GATEHOUSE_DRAIN_SECONDS: '1' },
  });
  started.push(service);
  return service;
}

const rowOf = async (service: ServiceProcess, stream: OpenStream): Promise<LedgerRow> =>
  (await ledgerOf(service)).find(({ request_id: id }) => id === stream.headers['x-request-id'])!;

const ask = {
  model: UPSTREAM_MODEL,
  stream: true,
  max_completion_tokens: 321,
  messages: [{ role: 'user', content: 'Count, please.' }],
};
const WORDS = Array.from({ length: 2000 }, (_, index) => ` word${index}`);

describe('kill -9 of one of two replicas', () => {
  let doomed: ServiceProcess;
  let survivor: ServiceProcess;
  let key: MadeKey;

  beforeAll(async () => {
    [doomed, survivor] = await Promise.all([start(), start()]);
    key = await survivor.createKey(org);
  }, 90_000);

  it('has its open call charged whole by the other one, whose own long stream is not affected', async () => {
    upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), delayMs: 20 });
    const orphan = OpenStream.start(doomed, key.key, ask);
    await orphan.until('word3"');
    // Three times the lease and the sweep together.
    const pieces = streamPieces({ words: WORDS.slice(0, 90), usage: usageOf(7, 90) });
    upstream.next({ kind: 'stream', pieces, delayMs: 100 });
    const living = OpenStream.start(survivor, key.key, ask);
    await living.until('word0"');
    const { state, reserved_input_tokens: input } = await rowOf(survivor, orphan);
    expect(state).toBe('RESERVED');

    await doomed.process.kill9();
    await eventually(async () => (await rowOf(survivor, orphan)).state !== 'RESERVED', 60_000);
    expect(await rowOf(survivor, orphan)).toMatchObject({
      state: 'SWEPT',
      outcome: 'ORPHANED',
      estimated: true,
      input_tokens: input,
      output_tokens: 321,
      reserved_output_tokens: 321,
    });
    expect(orphan.ended).toBe(false);

    // The sweeper has run since; the living stream continues, and is charged for its real usage.
    expect(await rowOf(survivor, living)).toMatchObject({ state: 'RESERVED' });
    await living.whole();
    expect(living.events.at(-1)).toBe('[DONE]');
    await eventually(async () => (await rowOf(survivor, living)).state !== 'RESERVED');
    expect(await rowOf(survivor, living)).toMatchObject({
      state: 'SETTLED',
      outcome: 'OK',
      input_tokens: 7,
      output_tokens: 90,
      estimated: false,
    });
    expect((await ledgerOf(survivor)).map(({ kind }) => kind)).toEqual(['CALL', 'CALL']);
  });

  it('leaves the key and the service working', async () => {
    const headers = { 'x-api-key': key.key };
    const body = { ...ask, stream: false };
    expect((await survivor.call('POST', '/v1/chat/completions', { headers, body })).status).toBe(200);
  });
});
