/** The commands of docs/guides/sealed-tokens.md, each run as it stands there, in their order. */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { PROVIDER_SECRET } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { SERVICE_FACTORIES } from '../../../src/sealed/service-factories.js';

const GUIDE = 'docs/guides/sealed-tokens.md';
const PROGRAM = 'node_modules/.cache/sealed-guide.mjs';

let service: SharedService;
let guide: string;

beforeAll(async () => {
  service = await sharedService();
  guide = await readFile(GUIDE, 'utf8');
});

afterAll(async () => {
  await service.stop();
  await rm(PROGRAM, { force: true });
});

const blocks = (language: string): string[] =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text]) => text!);

async function run(command: string, given: readonly string[], token = ''): Promise<string> {
  const environment = {
    PATH: process.env['PATH'] ?? '',
    GATEHOUSE_URL: service.baseUrl,
    OPENAI_API_KEY: PROVIDER_SECRET,
    TOKEN: token,
  };
  const { stdout } = await promisify(execFile)(command, [...given], { env: environment });
  return stdout;
}

it('each command does what the page says', async () => {
  const [, ...commands] = blocks('sh');
  expect(commands).toHaveLength(3);
  const shell = (at: number, token?: string): Promise<string> => run('sh', ['-ec', commands[at]!], token);

  const { access_token: token, token_type: type } = JSON.parse(await shell(0)) as Record<string, string>;
  expect([token, type]).toEqual([expect.stringMatching(/^aisbreaker_eyJ2ZXIi/), 'Bearer']);

  const answer = JSON.parse(await shell(1, token)) as Record<string, unknown>;
  expect(Object.keys(answer)).toEqual(Object.keys(JSON.parse(blocks('json')[0]!) as object));
  expect(service.upstream.requests.at(-1)?.headers.authorization).toBe(`Bearer ${PROVIDER_SECRET}`);

  expect(await shell(2, token)).toMatch(/^event: progress\n[\s\S]*\nevent: final\n/);

  await writeFile(PROGRAM, blocks('js')[0]!);
  expect(await run(process.execPath, [PROGRAM], token)).toMatch(/\S/);
});

it('lists every service that there is', () => {
  for (const { prefix, defaultEngine, kind } of SERVICE_FACTORIES) {
    const row = guide.split('\n').find((line) => line.startsWith(`| \`${prefix}\` `));
    expect([prefix, row?.includes(kind === 'dummy' ? '–' : `\`${defaultEngine}\``)]).toEqual([prefix, true]);
  }
});
