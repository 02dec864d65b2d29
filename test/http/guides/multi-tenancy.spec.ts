/** The shell programs of docs/guides/multi-tenancy.md, each run unchanged and in order. */
import { eventually } from '../../support/eventually.js';
import { Guide } from '../../support/guide.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';
import { startService, type TestService } from '../../support/service.js';

const OWNER = 'ada';
const USER = 'user_of_the_app';

let service: TestService;
let issuer: UserIssuer;
let guide: Guide;

beforeAll(async () => {
  issuer = await startUserIssuer();
  service = await startService({ settings: { ...issuer.settings, mode: 'development' } });
  guide = await Guide.open('docs/guides/multi-tenancy.md');
  guide.environment = {
    GATEHOUSE_URL: service.baseUrl,
    TOKEN: service.dashboardToken({ user: OWNER }),
    ISSUER: issuer.oidcConfig.issuer,
    AUDIENCE: issuer.oidcConfig.audience,
    USER_TOKEN: issuer.token({ sub: USER }),
    HUMAN: USER,
    PROVIDER_URL: service.upstream.baseUrl,
    PROVIDER_KEY: 'sk-of-the-provider',
  };
});

afterAll(async () => {
  await service.stop();
  await issuer.stop();
  await guide.close();
});

const run = (heading: string): Promise<string> => guide.run(heading, 'sh');

async function json<T>(heading: string): Promise<T> {
  return JSON.parse(await run(heading)) as T;
}

it('leads from a person without a tenant to an app whose users have limits of their own', async () => {
  const { org } = await json<{ org: { tenantId: string } }>('An org and its first tenant');
  guide.environment = { ...guide.environment, TOKEN: service.dashboardToken({ user: OWNER, tenant: org.tenantId }) };
  expect(await json('A second tenant')).toMatchObject({ tenant: { name: 'Staging' } });
  expect(await json('Your colleagues')).toMatchObject({ invitation: { email: 'bea@example.org', role: 'developer' } });
  expect(await json('A model provider')).toMatchObject({ provider: { name: 'openai', kind: 'openai' } });
  const secret = await json<{ result: { key: string } }>('A secret key for your server');
  const publishable = await json<{ result: { key: string } }>('A publishable key for the app');
  guide.environment = { ...guide.environment, SECRET_KEY: secret.result.key, PUBLISHABLE_KEY: publishable.result.key };

  const events = await run('The call of the app');
  expect(events.trim().split('\n').at(-1)).toBe('data: [DONE]');
  const left = async (): Promise<unknown> => {
    const headers = { 'x-api-key': secret.result.key };
    const answer = await service.call('POST', '/api/v1/humans/get', { headers, body: { human: USER } });
    return answer.json<{ human: { limits: unknown } }>().human.limits;
  };
  // The answer ends before the call is charged.
  await eventually(async () => {
    const [limit, ...others] = (await left()) as { type: string; value: number }[];
    expect([limit?.type, ...others]).toEqual(['token_cnt']);
    expect(limit?.value).toBeLessThan(20_000);
  });

  await json('Limits of one user');
  expect(await left()).toEqual([{ type: 'token_cnt', value: 500_000 }]);
  expect(await json('A limit that renews')).toMatchObject({ budget: { period: 'DAY', limit: '100' } });
  await run('The call of the app');
  await eventually(async () => {
    const used = await json<{ rows: { requestCnt: string }[] }>('What a user has used');
    expect(used.rows).toEqual([expect.objectContaining({ requestCnt: '2' })]);
  });

  await service.call('POST', '/api/v1/humans/upsert', {
    headers: { 'x-api-key': secret.result.key },
    body: { human: USER, limits: [{ type: 'token_cnt', value: 0 }] },
  });
  await expect(run('The call of the app')).rejects.toThrow('usage_limit_exceeded');
  expect(await json('A user who leaves')).toEqual({});
});

it('shows an app that sends the same request as its shell program', () => {
  const { code: swift = '' } = guide.programs('The app', 'swift')[0] ?? {};
  const { code: shell = '' } = guide.programs('The call of the app', 'sh')[0] ?? {};
  const headersOf = (program: string, pattern: RegExp): string[] =>
    [...program.matchAll(pattern)].map(([, name = '']) => name.toLowerCase()).sort();
  expect(headersOf(swift, /forHTTPHeaderField: "([\w-]+)"\)$/gm)).toEqual(headersOf(shell, /-H ["']([\w-]+): /g));
  expect(swift).toContain('appendingPathComponent("v1/chat/completions")');
  expect(shell).toContain('$GATEHOUSE_URL/v1/chat/completions"');
  const sent = JSON.parse(/-d '(.*)'$/m.exec(shell)?.[1] ?? '') as object;
  for (const field of Object.keys(sent)) expect(swift).toContain(`"${field}": `);
});
