import { mock } from 'node:test';
import { captureLog, type CapturedLog } from '../../test/support/captured-log.js';
import { Metrics } from '../platform/metrics/index.js';
import { Fault } from '../platform/errors/index.js';
import { FailedAuthenticationLog } from './failed-authentication-log.js';
import { REFUSAL_CODES, refusedCredential } from './refused-credential.js';

const WINDOW_MS = 10_000;
const MAX_LINES = 20;
/** The level of a warning in the log. */
const WARN = 40;

let log: CapturedLog;
let metrics: Metrics;
let failures: FailedAuthenticationLog;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  log = captureLog();
  metrics = new Metrics();
  failures = new FailedAuthenticationLog(metrics);
});

afterEach(() => {
  failures.onModuleDestroy();
  log.stop();
  mock.reset();
});

const reasonsLogged = (): unknown[] => log.lines.map(({ reason }) => reason);
const addressOf = (index: number): string => `192.0.2.${index}`;

it('has the real reason, the code that the caller got, the source, and the ids in the credential', () => {
  failures.record(refusedCredential('unknown_or_revoked_key', { keyPrefix: 'sk_gh_012345' }), '192.0.2.1');
  failures.record(refusedCredential('wrong_audience'), '2001:db8::1', () => ({ issuer: 'https://issuer.example' }));
  expect(log.lines).toMatchObject([
    {
      level: WARN,
      reason: 'unknown_or_revoked_key',
      code: 'invalid_credential',
      address: '192.0.2.1',
      keyPrefix: 'sk_gh_012345',
    },
    { level: WARN, reason: 'wrong_audience', address: '2001:db8:0:0::/64', issuer: 'https://issuer.example' },
  ]);
});

it('has no credential, even if one was sent as an issuer, and no unbounded text', () => {
  const key = 'sk_gh_0123456789012345678901234567890123456';
  failures.record(refusedCredential('unknown_issuer'), '192.0.2.1', () => ({ issuer: `https://${key}.example` }));
  failures.record(refusedCredential('unknown_issuer'), '192.0.2.2', () => ({ issuer: 'x'.repeat(10_000) }));
  expect(log.lines).toHaveLength(2);
  expect(log.text()).not.toContain('0123456789');
  expect(log.text().length).toBeLessThan(1000);
});

it('has no line for a request that was refused for another reason', () => {
  for (const other of [new Fault('unavailable', 'x'), new Fault('permission_denied', 'x'), new TypeError('x'), null])
    failures.record(other, '192.0.2.1');
  expect(log.lines).toEqual([]);
});

it('has one line for the same reason and source in a window, and at its end the number of further ones', () => {
  for (let i = 0; i < 100; i += 1) failures.record(refusedCredential('missing'), '192.0.2.1');
  failures.record(refusedCredential('wrong_scheme'), '192.0.2.1');
  failures.record(refusedCredential('missing'), '192.0.2.2');
  expect(reasonsLogged()).toEqual(['missing', 'wrong_scheme', 'missing']);
  mock.timers.tick(WINDOW_MS);
  expect(log.lines.slice(3)).toMatchObject([{ level: WARN, unlogged: 99 }]);
  mock.timers.tick(10 * WINDOW_MS);
  expect(log.lines).toHaveLength(4);

  failures.record(refusedCredential('missing'), '192.0.2.1');
  expect(reasonsLogged().at(-1)).toBe('missing');
});

it('counts the addresses of one IPv6 network as one source', () => {
  for (let i = 1; i < 50; i += 1) failures.record(refusedCredential('missing'), `2001:db8::${i}`);
  expect(log.lines).toHaveLength(1);
});

it('has a bounded number of lines in a window, however many sources there are', () => {
  for (let i = 1; i <= 250; i += 1) failures.record(refusedCredential('missing'), addressOf(i));
  expect(log.lines).toHaveLength(MAX_LINES);
  mock.timers.tick(WINDOW_MS);
  expect(log.lines.slice(MAX_LINES)).toMatchObject([{ unlogged: 250 - MAX_LINES }]);
});

it('logs the number of further ones when the service stops', () => {
  for (let i = 0; i < 3; i += 1) failures.record(refusedCredential('missing'), '192.0.2.1');
  const cleared = mock.method(globalThis, 'clearTimeout');
  failures.onModuleDestroy();
  expect(log.lines.slice(1)).toMatchObject([{ unlogged: 2 }]);
  expect(cleared.mock.callCount()).toBe(1);
});

it('counts every failure by its reason, from a closed set, in the metrics', async () => {
  for (let i = 0; i < 50; i += 1) failures.record(refusedCredential('bad_signature'), '192.0.2.1');
  failures.record(refusedCredential('expired_token'), '192.0.2.1');
  const { values } = await metrics.failedAuthentications.get();
  expect(values.map(({ labels, value }) => [labels, value])).toEqual([
    [{ reason: 'bad_signature' }, 50],
    [{ reason: 'expired_token' }, 1],
  ]);
  for (const { labels } of values) expect(Object.keys(REFUSAL_CODES)).toContain(labels.reason);
});
