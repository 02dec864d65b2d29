import { randomUUID } from 'node:crypto';
import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { eventually, pause } from '../../test/support/eventually.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { rowsOf, seedTenant } from '../../test/support/sql.js';
import { testSettings } from '../../test/support/settings.js';
import { Database } from '../platform/database/index.js';
import { Jobs } from '../platform/jobs/index.js';
import { ClaimWrites } from './claim-writes.js';
import { ClaimWritesRepository, type QueuedClaims } from './claim-writes.repository.js';
import { UnknownUserError } from './claims-writer.js';

let test: TestDatabase;
let userId: string;
let databases: Database[];
let outboxes: ClaimWrites[];
let issuer: RecordingClaimsWriter;
let repositories: ClaimWritesRepository[];

beforeEach(async () => {
  test = await createTestDatabase();
  userId = (await seedTenant(test.superuserUrl)).ownerId;
  issuer = new RecordingClaimsWriter();
  databases = [0, 1].map(() => new Database(testSettings({ databaseUrl: test.ownerUrl })));
  repositories = databases.map((database) => new ClaimWritesRepository(database));
  outboxes = repositories.map((repository) => new ClaimWrites(repository, issuer, new Jobs()));
});

afterEach(async () => {
  for (const outbox of outboxes) await outbox.polling.stop();
  await Promise.all(databases.map((database) => database.close()));
  await test.drop();
});

/** As when the time of each has come. */
const poll = (): void => outboxes.forEach((outbox) => outbox.polling.wake());

async function queue(count = 1): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    await rowsOf(test.superuserUrl, 'INSERT INTO claim_writes (id, user_id, claims) VALUES ($1, $2, $3)', [
      randomUUID(),
      userId,
      { tenant_id: `t-${i}`, role: 'owner' },
    ]);
  }
}

/** Backing off is tested below; elsewhere it would only make the tests wait. */
const makeDue = (): Promise<unknown> => rowsOf(test.superuserUrl, 'UPDATE claim_writes SET next_attempt_at = now()');
const left = (): Promise<{ attempts: number; waits_s: number }[]> =>
  rowsOf(
    test.superuserUrl,
    'SELECT attempts, extract(epoch FROM next_attempt_at - now())::float8 AS waits_s FROM claim_writes',
  );

it('claims are tried until the issuer takes them, and then no row is left', async () => {
  issuer.act = () => Promise.reject(new Error('away'));
  await queue();
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await makeDue();
    poll();
    await eventually(async () => (await left())[0]?.attempts === attempt && issuer.tries === attempt);
    await pause(50);
  }
  issuer.act = () => Promise.resolve();
  await makeDue();
  poll();
  await eventually(async () => (await left()).length === 0);
  expect(issuer.written).toEqual([[userId, { tenant_id: 't-0', role: 'owner' }]]);
});

it('a write that fails waits longer each time, up to an hour, and is not tried sooner', async () => {
  issuer.act = () => Promise.reject(new Error('away'));
  await queue();
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 14; attempt += 1) {
    await makeDue();
    poll();
    await eventually(async () => (await left())[0]?.attempts === attempt && issuer.tries === attempt);
    waits.push((await left())[0]!.waits_s);
    poll();
    await pause(20);
    expect(issuer.tries).toBe(attempt);
  }
  for (let i = 1; i < 9; i += 1) expect(waits[i]! / waits[i - 1]!).toBeGreaterThan(1.5);
  expect(Math.max(...waits)).toBeLessThanOrEqual(3600);
  expect(waits.at(-1)).toBeGreaterThan(3500);
});

it('one write that fails holds up no other', async () => {
  issuer.act = () => (issuer.tries === 2 ? Promise.reject(new Error('away')) : Promise.resolve());
  await queue(5);
  poll();
  await eventually(async () => (await left()).length === 1);
  expect(issuer.written).toHaveLength(4);
});

it('a user whom the issuer does not have gets no claims, and is not tried again', async () => {
  issuer.act = () => Promise.reject(new UnknownUserError());
  await queue();
  poll();
  await eventually(async () => (await left()).length === 0);
  expect(issuer.tries).toBe(1);
});

it('replicas that poll at once never make the same try twice', async () => {
  issuer.act = () => Promise.reject(new Error('away'));
  await queue(30);
  poll();
  await eventually(async () => (await left()).every(({ attempts }) => attempts === 1) && issuer.tries === 30);
  await pause(50);
  expect(issuer.tries).toBe(30);
});

it('an outbox that can not be read is read again, and nothing ends by it', async () => {
  await queue();
  await databases[0]!.close();
  poll();
  await eventually(async () => (await left()).length === 0);
  poll();
  await pause(50);
  expect(issuer.written).toHaveLength(1);
});

it('a service that stops finishes the write that it is at', async () => {
  let release: () => void = () => undefined;
  issuer.act = () => new Promise((resolve) => (release = resolve));
  await queue();
  poll();
  await eventually(() => issuer.tries === 1);
  const stopping = Promise.all(outboxes.map((outbox) => outbox.polling.stop()));
  release();
  await stopping;
  expect(await left()).toEqual([]);
});

describe('what a user is to have now', () => {
  let tenantId: string;
  let orgId: string;

  beforeEach(async () => {
    [{ tenantId, orgId }] = (await rowsOf(
      test.superuserUrl,
      `SELECT t.id AS "tenantId", t.org_id AS "orgId" FROM tenants t WHERE t.org_id <> 'org_anonymous'`,
    )) as [{ tenantId: string; orgId: string }];
  });

  const queueNow = (replica = 0): Promise<QueuedClaims> =>
    databases[replica]!.acrossTenants(userId, (tx) => repositories[replica]!.queue(tx, userId));
  const setRole = (role: string): Promise<unknown> =>
    rowsOf(test.superuserUrl, 'UPDATE memberships SET role = $1', [role]);
  const written = (): unknown[] => issuer.written.map(([, claims]) => claims);

  /** Makes the issuer hang in its next write; the answer lets it go on. */
  function hang(): () => void {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    issuer.act = () => {
      issuer.act = () => Promise.resolve();
      return gate;
    };
    return release;
  }

  it('is a tenant of theirs and their role in it; for a user without a membership, nothing', async () => {
    await outboxes[0]!.writeNow(await queueNow());
    await rowsOf(test.superuserUrl, 'DELETE FROM memberships');
    await outboxes[0]!.writeNow(await queueNow());
    expect(written()).toEqual([{ tenant_id: tenantId, role: 'owner' }, null]);
    expect(await left()).toEqual([]);
  });

  it('voids what was queued before, on whichever replica', async () => {
    const first = await queueNow(0);
    await setRole('viewer');
    const second = await queueNow(1);
    await outboxes[1]!.writeNow(second);
    await outboxes[0]!.writeNow(first);
    expect(written()).toEqual([{ tenant_id: tenantId, role: 'viewer' }]);
    expect(await left()).toEqual([]);
  });

  it('is written after an older write that is under way, never before it', async () => {
    const release = hang();
    const first = outboxes[0]!.writeNow(await queueNow());
    await eventually(() => issuer.tries === 1);
    await setRole('viewer');
    const second = outboxes[0]!.writeNow(await queueNow());
    await pause(50);
    expect(issuer.tries).toBe(1);
    release();
    await Promise.all([first, second]);
    expect(written()).toEqual([
      { tenant_id: tenantId, role: 'owner' },
      { tenant_id: tenantId, role: 'viewer' },
    ]);
    expect(await left()).toEqual([]);
  });

  it('stands, though an older one was taken from the outbox meanwhile and waits for its turn', async () => {
    await rowsOf(test.superuserUrl, "INSERT INTO users (id) VALUES ('another')");
    await rowsOf(
      test.superuserUrl,
      "INSERT INTO claim_writes (id, user_id, claims) VALUES ('00000000-0000-7000-8000-000000000000', 'another', 'null')",
    );
    await queueNow();
    await makeDue();
    const release = hang();
    outboxes[0]!.polling.wake();
    await eventually(() => issuer.tries === 1);
    await setRole('viewer');
    await outboxes[0]!.writeNow(await queueNow());
    release();
    await eventually(() => issuer.written.length === 2);
    await outboxes[0]!.polling.stop();
    expect(issuer.written.map(([user, claims]) => [user, claims?.role])).toEqual([
      [userId, 'viewer'],
      ['another', undefined],
    ]);
    expect(await left()).toEqual([]);
  });

  it('is the tenant that they chose last, as long as they belong there', async () => {
    await rowsOf(test.superuserUrl, "INSERT INTO tenants (id, org_id, name) VALUES ('staging', $1, 'Staging')", [
      orgId,
    ]);
    await rowsOf(test.superuserUrl, "UPDATE users SET claimed_tenant_id = 'staging'");
    await outboxes[0]!.writeNow(await queueNow());
    await rowsOf(test.superuserUrl, "DELETE FROM tenants WHERE id = 'staging'");
    await outboxes[0]!.writeNow(await queueNow());
    expect(written()).toEqual([
      { tenant_id: 'staging', role: 'owner' },
      { tenant_id: tenantId, role: 'owner' },
    ]);
  });
});
