/** Look-ups of credentials that are not known: those who guess wait for each other, and calls never wait for them. */
import { Database } from '../../../src/platform/database/index.js';
import { Metrics } from '../../../src/platform/metrics/index.js';
import { newSecretKey } from '../../../src/keys/key-format.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { connectionTo } from '../../support/sql.js';
import { chat, countsOf, makeCaller, shareMetric } from './tenants.js';

const GUESSES = 12;

let service: TestService;

beforeAll(async () => {
  service = await startService({ settings: { databaseCallsPoolSize: 3, failedAuthenticationsPerMinute: 1_000 } });
});

afterAll(() => service.stop());

it('that take long hold their own part of the connections, and leave the others to calls', async () => {
  const victim = await makeCaller(service);
  expect((await chat(service, victim)).status).toBe(200);
  const lock = connectionTo(service.database.superuserUrl);
  await lock.connect();
  let guesses: Promise<Answer[]>;
  try {
    await lock.query('BEGIN');
    await lock.query('LOCK TABLE api_key_retired_secrets IN ACCESS EXCLUSIVE MODE');
    guesses = Promise.all(
      Array.from({ length: GUESSES }, () =>
        service.call('GET', '/v1/models', { headers: { 'x-api-key': newSecretKey() } }),
      ),
    );
    const { lookUps } = service.app.get(Database);
    await eventually(() => lookUps.waiting === GUESSES - 1);
    expect(lookUps.taken).toBe(1);
    const answers: Answer[] = [];
    for (let call = 0; call < 5; call += 1) answers.push(await chat(service, victim));
    expect(countsOf(answers)).toEqual({ 200: 5 });
  } finally {
    await lock.query('ROLLBACK');
    await lock.end();
  }
  expect(countsOf(await guesses)).toEqual({ 401: GUESSES });
  const metrics = await service.app.get(Metrics).registry.metrics();
  expect(shareMetric(metrics, 'most', 'credential_lookups')).toBe(1);
});
