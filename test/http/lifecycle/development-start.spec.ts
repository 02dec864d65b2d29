/** A script that waits for readiness in development may read quickstart.json at once. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream, UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { PROVIDER_SECRET } from '../../support/service-client.js';
import { productionEnvironment, spawnService, type RunningProcess } from '../../support/service.js';
import { TestIssuer } from '../../support/tokens.js';

let home: string;
let file: string;
let database: TestDatabase;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let running: RunningProcess | undefined;

beforeAll(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-development-'));
  file = path.join(home, 'quickstart.json');
  database = await createTestDatabase();
  issuer = await TestIssuer.start();
  upstream = await OpenaiUpstream.start();
});

afterAll(async () => {
  if (running?.hasExited === false) await running.kill9();
  await upstream.close();
  await issuer.stop();
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

it('is ready only once quickstart.json is written, and serves calls by OPENAI_API_KEY', async () => {
  // A pipe takes the file's place: the service reads an earlier start's file, and waits there until the test writes.
  expect(spawnSync('mkfifo', ['-m', '600', file]).status).toBe(0);
  running = await spawnService({
    ...productionEnvironment({ database, issuer, upstream }),
    GATEHOUSE_DEV: '1',
    GATEHOUSE_HOME: home,
    FIREBASE_PROJECT_ID: undefined,
    FIREBASE_JWKS_URL: undefined,
    PLATFORM_PROVIDER_TENANTS: undefined,
  });
  let port: unknown;
  await eventually(() => {
    port = running?.log.find(({ msg }) => msg === 'Gatehouse is ready.')?.['port'];
    return port !== undefined || running?.hasExited === true;
  }, 60_000);
  const statusOf = async (probe: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${String(port)}/health/${probe}`)).status;

  expect([await statusOf('live'), await statusOf('ready')]).toEqual([200, 503]);
  await writeFile(file, 'nothing of use');
  await eventually(async () => (await statusOf('ready')) === 200);

  expect((await stat(file)).isFile()).toBe(true);
  const { baseUrl, secretKey } = JSON.parse(await readFile(file, 'utf8')) as { baseUrl: string; secretKey: string };
  const models = await fetch(`${baseUrl}/v1/models`, { headers: { 'x-api-key': secretKey } });
  expect(models.status).toBe(200);

  // The operator's key is enough for the first tenant's calls.
  const answer = await fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'x-api-key': secretKey, 'content-type': 'application/json' },
    body: JSON.stringify({ model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hello.' }] }),
  });
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('chat.completion')]);
  expect((await upstream.request()).headers.authorization).toBe(`Bearer ${PROVIDER_SECRET}`);
  expect((await running.stop()).code).toBe(0);
});
