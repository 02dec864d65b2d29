/** Problems as an operator sees them: a full disk, streams that break, calls that get 503. */
import { Metrics } from '../../../src/platform/metrics/index.js';
import { captureLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { streamPieces, UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, type TestService } from '../../support/service.js';

let service: TestService;
let key: string;

beforeAll(async () => {
  service = await startService();
  const org = await service.createOrg('operator');
  ({ key } = await service.createKey(org, { scopes: ['chat:write'] }));
});

afterAll(() => service.stop());

const call = (stream = false): Promise<{ status: number; text: string }> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': key },
    body: { model: UPSTREAM_MODEL, stream, messages: [{ role: 'user', content: 'Hi' }] },
  });

/** The number of chat completions that ended with this status. */
async function counted(status: number): Promise<number> {
  const text = await service.app.get(Metrics).registry.metrics();
  const line = text
    .split('\n')
    .find((each) => each.includes('/v1/chat/completions') && each.includes(`status="${status}"`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

it('a stream that its provider broke off counts as the 502 that it would have been, and not as 200', async () => {
  const [fine, broken] = [await counted(200), await counted(502)];
  service.upstream.next({ kind: 'stream', pieces: streamPieces(), breakAfter: 4 });
  const { status, text } = await call(true);
  expect(status).toBe(200);
  expect(text).toContain('"error"');
  await eventually(async () => (await counted(502)) === broken + 1);
  expect(await counted(200)).toBe(fine);
});

it('a full disk is named in the log, turns readiness to 503, and leaves one short line for each call', async () => {
  // Postgres' own error where a file can't grow.
  await service.sql(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`);
  await service.sql(
    'CREATE TRIGGER full_disk BEFORE INSERT ON usage_records FOR EACH ROW EXECUTE FUNCTION full_disk()',
  );
  expect((await service.call('GET', '/health/ready')).status).toBe(200);
  const log = captureLog('info');
  try {
    const { status, text } = await call();
    expect(status).toBe(503);
    expect(text).toContain("The database's disk is full");
    const ready = await service.call('GET', '/health/ready');
    expect([ready.status, ready.text]).toEqual([503, expect.stringContaining("The database's disk is full")]);
    const lines = log.lines.filter(({ kind }) => kind === 'unavailable');
    expect(lines[0]).toMatchObject({ reason: 'could not extend file: No space left on device', code: '53100' });
    for (const line of lines) {
      expect(line).not.toHaveProperty('err');
      expect(JSON.stringify(line).length).toBeLessThan(500);
    }
  } finally {
    log.stop();
    await service.sql('DROP TRIGGER full_disk ON usage_records');
  }
});
