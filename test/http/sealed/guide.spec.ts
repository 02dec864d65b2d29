/** The commands of docs/guides/sealed-tokens.md, each run as it stands there, in their order. */
import { Guide, type Program } from '../../support/guide.js';
import { PROVIDER_SECRET } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { SERVICE_FACTORIES } from '../../../src/sealed/service-factories.js';

let service: SharedService;
let guide: Guide;

beforeAll(async () => {
  service = await sharedService();
  guide = await Guide.open('docs/guides/sealed-tokens.md');
  guide.environment = { GATEHOUSE_URL: service.baseUrl, OPENAI_API_KEY: PROVIDER_SECRET };
});

afterAll(async () => {
  await service.stop();
  await guide.close();
});

it('each command does what the page says', async () => {
  const programs = guide.all();
  const inLanguage = (language: string): Program[] => programs.filter((program) => program.language === language);
  const [, ...commands] = inLanguage('sh');
  expect(commands).toHaveLength(3);
  const run = (program: Program | undefined): Promise<string> => guide.runProgram(program!, 'a command');

  const { access_token: token = '', token_type: type } = JSON.parse(await run(commands[0])) as Record<string, string>;
  expect([token, type]).toEqual([expect.stringMatching(/^aisbreaker_eyJ2ZXIi/), 'Bearer']);
  guide.environment = { ...guide.environment, TOKEN: token };

  const answer = JSON.parse(await run(commands[1])) as Record<string, unknown>;
  expect(Object.keys(answer)).toEqual(Object.keys(JSON.parse(inLanguage('json')[0]!.code) as object));
  expect(service.upstream.requests.at(-1)?.headers.authorization).toBe(`Bearer ${PROVIDER_SECRET}`);

  expect(await run(commands[2])).toMatch(/^event: progress\n[\s\S]*\nevent: final\n/);
  expect(await run(inLanguage('js')[0])).toMatch(/\S/);
});

it('lists every service that there is', () => {
  for (const { prefix, defaultEngine, kind } of SERVICE_FACTORIES) {
    const row = guide.text.split('\n').find((line) => line.startsWith(`| \`${prefix}\` `));
    expect([prefix, row?.includes(kind === 'dummy' ? '–' : `\`${defaultEngine}\``)]).toEqual([prefix, true]);
  }
});
