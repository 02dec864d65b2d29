/** The guides about ways to call models, followed as a newcomer follows them: each program in order and unchanged. */
import { SERVICE_FACTORIES } from '../../../src/sealed/service-factories.js';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { completion, Newcomer, parsed } from './newcomer.js';

const ECHO = 'You said: Hello.';
const FROM_THE_UPSTREAM = 'Hello from the upstream.';

let newcomer: Newcomer;
let upstream: OpenaiUpstream;

beforeAll(async () => {
  upstream = await OpenaiUpstream.start();
  newcomer = await Newcomer.start();
});

afterAll(async () => {
  await newcomer.stop();
  await upstream.close();
});

it('usage tokens: the app calls and sees what is left; the server changes, shortens and revokes the token', async () => {
  const said = await newcomer.follow('docs/guides/usage-tokens.md');
  expect(said('Your server makes a token', 1)).toMatch(/^eyJ/);
  expect(said('The app calls')).toBe('You said: Say hello.');
  const left = JSON.parse(said('The app asks what is left')) as { type: string; value: number }[];
  expect(left.map(({ type }) => type)).toEqual(['request_cnt', 'cost_micros']);
  expect(left[0]?.value).toBe(99);
  expect(said('Your server changes the limits')).toBe('{}');
  const { ttl_seconds: seconds } = parsed(said('Your server asks how long it lasts'));
  expect(seconds).toBeGreaterThan(3000);
  expect(seconds).toBeLessThanOrEqual(3600);
  expect(said('Your server shortens or lengthens it')).toBe('');
  expect(said('Your server ends it')).toBe('');
});

it('a usage token that its server has revoked is refused', async () => {
  const guide = await newcomer.open('docs/guides/usage-tokens.md');
  const app = (): Promise<unknown> => guide.walk(['Your server makes a token', 'Your server ends it', 'The app calls']);
  await eventually(() => expect(app()).rejects.toThrow('401'));
});

it('ways to call: each kind of credential is answered', async () => {
  const headings = ['# Ways to call', 'curl, a person at the dashboard', 'curl, a server'];
  headings.push('curl, a server on behalf of a human', 'curl, an end user', 'Node');
  const said = await newcomer.follow('docs/guides/calling.md', { headings });
  for (const heading of headings.slice(1)) expect(parsed(said(heading))).toEqual({ threads: [], nextPageToken: '' });
});

it('gateways: created, called by its token, changed and deleted', async () => {
  const guide = await newcomer.open('docs/guides/gateways.md');
  const [see, change, end] = ['See its calls', 'Change the gateway', 'Delete the gateway'] as const;
  const said = await guide.walk(guide.headings.slice(0, guide.headings.indexOf(see)));
  const [id = ''] = said.get('Make a gateway') ?? [];
  expect(id).toMatch(/^gateway_/);
  expect(parsed(said.get('Call it')![0]!)).toMatchObject(completion(ECHO));
  expect(said.get('Call it by the openai package')).toEqual([ECHO]);
  expect(parsed(said.get('Name the provider and the model in the path')![0]!)).toMatchObject(completion(ECHO));
  expect(parsed(said.get('Change its limits')![0]!)).toMatchObject({
    rateLimit: { requests: { limit: '10', window: 'MINUTE' } },
  });
  const { tokens } = parsed(said.get('List the tokens')![0]!) as { tokens: { name: string }[] };
  expect(tokens.map(({ name }) => name)).toEqual(['night-shift', 'default']);
  expect(said.get('Delete a token')).toEqual(['{}']);
  guide.environment = { ...guide.environment, GATEWAY: id };
  await eventually(async () => {
    const { calls } = await guide.json<{ calls: { provider: string }[] }>(see);
    expect(calls.map(({ provider }) => provider)).toContain('openai_compatible/main');
    expect(calls).toHaveLength(3);
  });
  expect(await guide.json(change)).toMatchObject({
    gateway: { bodies: { retentionDays: 7 }, cache: { ttlSeconds: 172_800, maxBytes: '1048576' } },
  });
  expect(await guide.json(end)).toEqual({});
  expect([...guide.ran].sort()).toEqual([...guide.headings].sort());
});

it('threads: a run answers a message, and its events and the conversation can be read', async () => {
  const said = await newcomer.follow('docs/guides/threads.md');
  const answer = 'You said: Three days in Rome?';
  expect(said('Hear what it says')).toMatch(/^event: end\nid: end\ndata: \{"runId":"[^"]+","status":"COMPLETED"\}$/m);
  const { messages } = parsed(said('See the whole conversation')) as { messages: { content: string }[] };
  expect(messages.at(-1)).toMatchObject({ role: 'assistant', content: answer });
});

describe('sealed access tokens', () => {
  const PAGE = 'docs/guides/sealed-tokens.md';

  it('a token is made, and calls a service, also by the official client', async () => {
    const said = await newcomer.follow(PAGE);
    expect(said('Have a token made')).toMatch(/^aisbreaker_eyJ2ZXIi/);
    expect(Object.keys(parsed(said('Ask a service')))).toEqual(['outputs', 'conversationState', 'usage']);
    expect(said('Ask a service', 1)).toMatch(/^event: progress\n[\s\S]*\nevent: final\n/);
    expect(said("OpenAI's client")).toBe('You said: Say hello.');
  });

  it('the page lists every service', async () => {
    const { text } = await newcomer.open(PAGE);
    for (const { prefix, defaultEngine, kind } of SERVICE_FACTORIES) {
      const row = text.split('\n').find((line) => line.startsWith(`| \`${prefix}\` `));
      expect([prefix, row?.includes(kind === 'dummy' ? '–' : `\`${defaultEngine}\``)]).toEqual([prefix, true]);
    }
  });
});

it('providers: set up, called, tested, and named by a route', async () => {
  const environment = { PROVIDER_URL: upstream.baseUrl, PROVIDER_KEY: 'sk-of-the-newcomer' };
  const said = await newcomer.follow('docs/guides/providers.md', { environment });
  expect(parsed(said('Set one up'))).toMatchObject(completion(FROM_THE_UPSTREAM));
  expect(parsed(said('Trying one'))).toMatchObject({ ok: true, model: 'gpt-4o-mini' });
  expect(parsed(said('Routes'))).toMatchObject({ route: { name: 'careful' } });
  expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer sk-of-the-newcomer');
});
