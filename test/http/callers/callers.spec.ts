/** The programs of docs/guides/calling.md, each run unchanged against a started service. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startService, type TestService } from '../../support/service.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';

const GUIDE = 'docs/guides/calling.md';
/** Go builds its standard library for the first program. */
const GO_TIMEOUT_MS = 240_000;

let service: TestService;
let userIssuer: UserIssuer;
let environment: Record<string, string>;
let folder: string;
let guide: string;

beforeAll(async () => {
  userIssuer = await startUserIssuer();
  service = await startService({ settings: userIssuer.settings });
  const org = await service.createOrg('calling-owner');
  const { key } = await service.createKey(org, { scopes: ['conversations:read', 'users:impersonate'] });
  const { result } = await service.asUser<{ result: { key: string } }>(
    { user: org.user, tenant: org.tenantId },
    'api-keys/create-publishable',
    { name: 'App', oidcConfig: userIssuer.oidcConfig, unlimited: true },
  );
  environment = {
    GATEHOUSE_URL: service.baseUrl,
    TOKEN: service.dashboardToken({ user: org.user, tenant: org.tenantId }),
    SECRET_KEY: key,
    ACTING_KEY: key,
    PUBLISHABLE_KEY: result.key,
    USER_TOKEN: userIssuer.token({ sub: 'user_123' }),
  };
  folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-callers-'));
  guide = await readFile(GUIDE, 'utf8');
});

afterAll(async () => {
  await service.stop();
  await userIssuer.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The one program under a heading of the guide. */
function programOf(heading: string): string {
  const section = guide.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  const [program, ...more] = [...(section ?? '').matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, code]) => code);
  if (program === undefined || more.length > 0) throw new Error(`${GUIDE} has not one program under "${heading}".`);
  return program;
}

async function run(
  command: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, GOFLAGS: '-mod=mod', GO111MODULE: 'off', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

async function runFile(name: string, heading: string, command: string, args: readonly string[] = []) {
  const file = path.join(folder, name);
  await writeFile(file, programOf(heading));
  return run(command, [...args, file]);
}

const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
/** Debian's Python finds Debian's packages; another one earlier on the PATH may not. */
const PYTHON = ['/usr/bin/python3', 'python3'].find((python) => has(python, '-c', 'import requests'));
const NO_THREADS = { code: 0, stdout: expect.stringMatching(/^\{"threads":\[\],"nextPageToken":""\}\n?$/), stderr: '' };

it.each([
  'curl, a person at the dashboard',
  'curl, a server',
  'curl, a server on behalf of a human',
  'curl, an end user',
])('%s: has no threads yet', async (heading) => {
  expect(await runFile('call.sh', heading, 'sh')).toEqual(NO_THREADS);
});

it('Node, fetch: has no threads yet', async () => {
  expect(await runFile('call.mjs', 'Node', process.execPath)).toEqual(NO_THREADS);
});

// .ci/run installs both, and fails where a test is skipped; on a machine without them these tests report the skip.
// eslint-disable-next-line no-restricted-syntax -- a language that a machine may not have
(PYTHON === undefined ? it.skip : it)('Python, requests: has no threads yet', async () => {
  expect(await runFile('call.py', 'Python', PYTHON ?? '')).toEqual(NO_THREADS);
});

// eslint-disable-next-line no-restricted-syntax -- a language that a machine may not have
(has('go', 'version') ? it : it.skip)(
  'Go, net/http: has no threads yet',
  async () => {
    expect(await runFile('main.go', 'Go', 'go', ['run'])).toEqual(NO_THREADS);
  },
  GO_TIMEOUT_MS,
);

it('the same programs fail with a wrong credential, so that passing means something', async () => {
  const good = environment;
  environment = Object.fromEntries(
    Object.entries(good).map(([name, value]) => [name, name === 'GATEHOUSE_URL' ? value : `${value}x`]),
  );
  try {
    for (const heading of ['curl, a person at the dashboard', 'curl, a server', 'curl, an end user']) {
      const { code, stdout } = await runFile('call.sh', heading, 'sh');
      expect({ heading, failed: code !== 0, told: stdout.includes('UNAUTHENTICATED') }).toEqual({
        heading,
        failed: true,
        told: true,
      });
    }
    expect((await runFile('call.mjs', 'Node', process.execPath)).code).not.toBe(0);
  } finally {
    environment = good;
  }
});
