/** The programs of docs/guides/gateways.md, each run as it stands there, in their order. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { eventually } from '../../support/eventually.js';
import { startService, type TestService } from '../../support/service.js';
import { GATEWAY_SECRET, SETTINGS, type Made, type TokenView } from './gateways.js';

const GUIDE = 'docs/guides/gateways.md';

let service: TestService;
let folder: string;
let guide: string;
let environment: Record<string, string>;

beforeAll(async () => {
  service = await startService({ settings: SETTINGS });
  const org = await service.createOrg('reader', undefined, { provider: false });
  const { key } = await service.createKey(org, { scopes: ['gateways:read', 'gateways:write'] });
  environment = {
    ...{ GATEHOUSE_URL: service.baseUrl, SECRET_KEY: key },
    ...{ PROVIDER_URL: service.upstream.baseUrl, PROVIDER_KEY: GATEWAY_SECRET },
  };
  folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-guide-'));
  await symlink(path.resolve('node_modules'), path.join(folder, 'node_modules'));
  guide = await readFile(GUIDE, 'utf8');
});

afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true, force: true });
});

const ran = new Set<string>();

/** Runs the first program under a heading; gives what it printed. */
async function run<T>(heading: string): Promise<T> {
  const section = guide.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const [, language, code] = /^```(\w+)\n(.*?)^```$/ms.exec(section) ?? [];
  if (code === undefined) throw new Error(`${GUIDE} has no program under "${heading}".`);
  ran.add(heading);
  const file = path.join(folder, `program.${language === 'js' ? 'mjs' : 'sh'}`);
  await writeFile(file, code);
  const child = spawn(language === 'js' ? process.execPath : 'sh', [file], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [status] = (await once(child, 'close')) as [number];
  if (status !== 0) throw new Error(`${heading}: ${status} ${said}`);
  return (language === 'js' ? said.trim() : JSON.parse(said)) as T;
}

const HELLO = 'Hello from the upstream.';
interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
}

it('leads from a gateway to its end', async () => {
  const { gateway, token } = await run<Made>('Make a gateway');
  environment = { ...environment, GATEWAY: gateway.id, TOKEN: token };
  expect((await run<Completion>('Call it')).choices[0]?.message.content).toBe(HELLO);
  expect(await run('Call it by the openai package')).toBe(HELLO);
  expect((await run<Completion>('Name the provider and the model in the path')).choices[0]?.message.content).toBe(
    HELLO,
  );
  const { id } = await run<TokenView>('Make a token with limits');
  environment = { ...environment, TOKEN_ID: id };
  expect(await run('Change its limits')).toMatchObject({ rateLimit: { requests: { limit: '10', window: 'MINUTE' } } });
  const { tokens } = await run<{ tokens: TokenView[] }>('List the tokens');
  expect(tokens.map(({ name }) => name)).toEqual(['night-shift', 'default']);
  expect(await run('Delete a token')).toEqual({});
  await eventually(async () => {
    const { calls } = await run<{ calls: { provider: string }[] }>('See its calls');
    expect(calls.map(({ provider }) => provider)).toContain('openai_compatible/main');
    expect(calls).toHaveLength(3);
  });
  expect(await run('Change the gateway')).toMatchObject({
    gateway: { bodies: { retentionDays: 7 }, cache: { ttlSeconds: 172_800, maxBytes: '1048576' } },
  });
  expect(await run('Delete the gateway')).toEqual({});
  const programs = guide.split(/^## /m).filter((part) => part.includes('\n```'));
  expect(ran.size).toBe(programs.length - 1);
});
