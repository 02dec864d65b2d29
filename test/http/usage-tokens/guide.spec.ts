/** The programs of docs/guides/usage-tokens.md, each run as it stands there, in their order. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { eventually } from '../../support/eventually.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { expectNearly } from './usage-client.js';

const GUIDE = 'docs/guides/usage-tokens.md';

let service: SharedService;
let folder: string;
let guide: string;
let environment: Record<string, string>;

beforeAll(async () => {
  service = await sharedService();
  const org = await service.createOrg();
  environment = { GATEHOUSE_URL: service.baseUrl, SECRET_KEY: (await service.createKey(org)).key };
  folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-guide-'));
  await symlink(path.resolve('node_modules'), path.join(folder, 'node_modules'));
  guide = await readFile(GUIDE, 'utf8');
});

afterAll(async () => {
  await service.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the one program under a heading; gives what it printed. */
async function run(heading: string): Promise<string> {
  const section = guide.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const [[, language, code] = [], ...more] = [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  if (code === undefined || more.length > 0) throw new Error(`${GUIDE} has not one program under "${heading}".`);
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
  if (status !== 0) throw new Error(`${heading}: ${said}`);
  return said.trim();
}

const secondsLeft = async (): Promise<number> =>
  (JSON.parse(await run('Your server asks how long it lasts')) as { ttl_seconds: number }).ttl_seconds;

it('leads from a token to its end', async () => {
  environment = { ...environment, USAGE_TOKEN: await run('Your server makes a token') };
  expect(await run('The app calls')).toBe('Hello from the upstream.');
  const left = JSON.parse(await run('The app asks what is left')) as { type: string; value: number }[];
  expect(left.map(({ type }) => type)).toEqual(['request_cnt', 'cost_micros']);
  expect(left[0]?.value).toBe(99);
  expect(left[1]?.value).toBeLessThan(2_000_000);
  expect(await run('Your server changes the limits')).toBe('{}');
  expect(JSON.parse(await run('The app asks what is left'))).toContainEqual({ type: 'request_cnt', value: 500 });
  expectNearly(await secondsLeft(), 3600);
  expect(await run('Your server shortens or lengthens it')).toBe('');
  expectNearly(await secondsLeft(), 600);
  expect(await run('Your server ends it')).toBe('');
  await eventually(() => expect(run('The app calls')).rejects.toThrow('401'));
});
