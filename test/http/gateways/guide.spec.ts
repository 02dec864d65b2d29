/** The programs of docs/guides/gateways.md, each run as it stands there, in their order. */
import { eventually } from '../../support/eventually.js';
import { Guide } from '../../support/guide.js';
import { startService, type TestService } from '../../support/service.js';
import { GATEWAY_SECRET, SETTINGS, type Made, type TokenView } from './gateways.js';

let service: TestService;
let guide: Guide;

beforeAll(async () => {
  service = await startService({ settings: SETTINGS });
  const org = await service.createOrg('reader', undefined, { provider: false });
  const { key } = await service.createKey(org, { scopes: ['gateways:read', 'gateways:write'] });
  guide = await Guide.open('docs/guides/gateways.md');
  guide.environment = {
    ...{ GATEHOUSE_URL: service.baseUrl, SECRET_KEY: key },
    ...{ PROVIDER_URL: service.upstream.baseUrl, PROVIDER_KEY: GATEWAY_SECRET },
  };
});

afterAll(async () => {
  await service.stop();
  await guide.close();
});

/** Runs the first program under a heading; what follows it there says the same in another way. */
function run(heading: string): Promise<string> {
  guide.ran.add(heading);
  return guide.runProgram(guide.programs(heading)[0]!, heading);
}

async function json<T>(heading: string): Promise<T> {
  return JSON.parse(await run(heading)) as T;
}

const HELLO = 'Hello from the upstream.';
interface Completion {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
}

it('leads from a gateway to its end', async () => {
  const { gateway, token } = await json<Made>('Make a gateway');
  guide.environment = { ...guide.environment, GATEWAY: gateway.id, TOKEN: token };
  expect((await json<Completion>('Call it')).choices[0]?.message.content).toBe(HELLO);
  expect(await run('Call it by the openai package')).toBe(HELLO);
  const byPath = await json<Completion>('Name the provider and the model in the path');
  expect(byPath.choices[0]?.message.content).toBe(HELLO);
  const { id } = await json<TokenView>('Make a token with limits');
  guide.environment = { ...guide.environment, TOKEN_ID: id };
  expect(await json('Change its limits')).toMatchObject({
    rateLimit: { requests: { limit: '10', window: 'MINUTE' } },
  });
  const { tokens } = await json<{ tokens: TokenView[] }>('List the tokens');
  expect(tokens.map(({ name }) => name)).toEqual(['night-shift', 'default']);
  expect(await json('Delete a token')).toEqual({});
  await eventually(async () => {
    const { calls } = await json<{ calls: { provider: string }[] }>('See its calls');
    expect(calls.map(({ provider }) => provider)).toContain('openai_compatible/main');
    expect(calls).toHaveLength(3);
  });
  expect(await json('Change the gateway')).toMatchObject({
    gateway: { bodies: { retentionDays: 7 }, cache: { ttlSeconds: 172_800, maxBytes: '1048576' } },
  });
  expect(await json('Delete the gateway')).toEqual({});
  const programs = guide.text.split(/^## /m).filter((part) => part.includes('\n```'));
  expect(guide.ran.size).toBe(programs.length - 1);
});
