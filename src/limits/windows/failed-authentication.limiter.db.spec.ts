import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { PostgresProxy, isCallOf } from '../../../test/support/postgres-proxy.js';
import { startReplica, type Replica } from '../../../test/support/replica.js';
import { ExpiredCredentialFault, refusedCredential } from '../../identity/index.js';
import { FailedAuthenticationLimiter } from './failed-authentication.limiter.js';
import { PostgresRateWindowStore } from './postgres-rate-window.store.js';

const WINDOW_SECONDS = 600;
const ADDRESS = '203.0.113.7';

let test: TestDatabase;
let proxy: PostgresProxy;
let replicas: Replica[];
let limiters: FailedAuthenticationLimiter[];

beforeAll(async () => {
  test = await createTestDatabase();
  proxy = await PostgresProxy.start(test.ownerUrl);
  const settings = { failedAuthenticationsPerMinute: 30, rateWindowSeconds: WINDOW_SECONDS };
  replicas = [
    await startReplica(test.ownerUrl, settings),
    await startReplica(test.ownerUrl, {
      ...settings,
      databaseUrl: proxy.through(test.ownerUrl),
      databaseDirectUrl: test.ownerUrl,
    }),
  ];
  limiters = replicas.map(
    (replica) =>
      new FailedAuthenticationLimiter(new PostgresRateWindowStore(replica.database, WINDOW_SECONDS), replica.settings),
  );
});

afterAll(async () => {
  proxy.judge = () => 'pass';
  for (const replica of replicas) await replica.stop();
  await proxy.close();
  await test.drop();
});

it('of 500 simultaneous failures over two replicas exactly 30 get 401', async () => {
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, index) =>
      limiters[index % 2]!.weigh(ADDRESS, refusedCredential('unknown_or_revoked_key')),
    ),
  );
  expect(answers.filter(({ kind }) => kind === 'unauthenticated')).toHaveLength(30);
  expect(answers.filter(({ kind }) => kind === 'rate_limited')).toHaveLength(470);
});

it('an expired credential costs the same statement as any other', async () => {
  const limiter = limiters[1]!;
  const counts: number[] = [];
  let takes = 0;
  proxy.judge = (message) => {
    if (isCallOf('take_rate_windows', message)) takes += 1;
    return 'pass';
  };
  for (const failure of [refusedCredential('unknown_or_revoked_key'), new ExpiredCredentialFault('expired_key')]) {
    const before = proxy.statements;
    takes = 0;
    for (let index = 0; index < 20; index += 1) await limiter.weigh('203.0.113.8', failure);
    expect(takes).toBe(20);
    counts.push(proxy.statements - before);
  }
  expect(counts).toEqual([20, 20]);
});

it.each([
  ['wrong', refusedCredential('unknown_or_revoked_key')],
  ['expired', new ExpiredCredentialFault('expired_key')],
])('where the store can’t count, a %s credential is answered 503, not 401', async (_what, failure) => {
  proxy.judge = (message) => (isCallOf('take_rate_windows', message) ? 'cut-before' : 'pass');
  await expect(limiters[1]!.weigh('203.0.113.9', failure)).rejects.toMatchObject({ kind: 'unavailable' });
});
