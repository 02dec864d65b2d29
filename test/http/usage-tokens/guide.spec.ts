/** The programs of docs/guides/usage-tokens.md, each run as it stands there, in their order. */
import { eventually } from '../../support/eventually.js';
import { Guide } from '../../support/guide.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { expectNearly } from './usage-client.js';

let service: SharedService;
let guide: Guide;

beforeAll(async () => {
  service = await sharedService();
  const org = await service.createOrg();
  guide = await Guide.open('docs/guides/usage-tokens.md');
  guide.environment = { GATEHOUSE_URL: service.baseUrl, SECRET_KEY: (await service.createKey(org)).key };
});

afterAll(async () => {
  await service.stop();
  await guide.close();
});

const run = (heading: string): Promise<string> => guide.run(heading);

const secondsLeft = async (): Promise<number> =>
  (JSON.parse(await run('Your server asks how long it lasts')) as { ttl_seconds: number }).ttl_seconds;

it('leads from a token to its end', async () => {
  guide.environment = { ...guide.environment, USAGE_TOKEN: await run('Your server makes a token') };
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
