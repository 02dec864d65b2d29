/** The destinations of a token's secrets: each vendor's own host, and addresses in a request where the operator lists them. */
import OpenAI from 'openai';
import { Metrics } from '../../../src/platform/metrics/index.js';
import { captureLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { ANTHROPIC, COHERE, GOOGLE, KINDS, type Kind } from '../../support/kinds.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { startService, type Org, type TestService } from '../../support/service.js';
import { dump } from '../../support/sql.js';
import { VendorHosts } from '../../support/vendor-hosts.js';
import { jsonAnswer, WireUpstream, type WireAnswer, type WireRequest } from '../../support/wire-upstream.js';
import { clearLedger, settledCall } from '../ledger.js';
import { MANY_OF_EACH, eventsOf, mint, processing, textOf, type Asked, type Secret } from './sealed-client.js';

const MISTRAL = KINDS.find(({ kind }) => kind === 'mistral')!;

interface Vendor {
  readonly host: string;
  readonly service: string;
  readonly kind: Kind;
  readonly secret: string;
  /** The header with the secret, and the secret's form. */
  readonly header: string;
  readonly value: (secret: string) => string;
}

const bearer = (secret: string): string => `Bearer ${secret}`;
const itself = (secret: string): string => secret;
const ANTHROPICS: Vendor = {
  ...{ host: 'api.anthropic.com', service: 'chat:anthropic.com', kind: ANTHROPIC },
  ...{ secret: 'sk-ant-of-the-token-0123', header: 'x-api-key', value: itself },
};
const GOOGLES: Vendor = {
  ...{ host: 'generativelanguage.googleapis.com', service: 'chat:google.com', kind: GOOGLE },
  ...{ secret: 'AIza-of-the-token-0123', header: 'x-goog-api-key', value: itself },
};
const MISTRALS: Vendor = {
  ...{ host: 'api.mistral.ai', service: 'chat:mistral.ai', kind: MISTRAL },
  ...{ secret: MISTRAL.secret, header: 'authorization', value: bearer },
};
const COHERES: Vendor = {
  ...{ host: 'api.cohere.com', service: 'chat:cohere.com', kind: COHERE },
  ...{ secret: 'co-of-the-token-0123', header: 'authorization', value: bearer },
};
const VENDORS = [ANTHROPICS, GOOGLES, MISTRALS, COHERES];
/** One secret for each vendor. */
const SECRETS: readonly Secret[] = VENDORS.map(({ service, secret }) => ({ serviceId: service, authSecret: secret }));

let service: TestService;
let hosts: VendorHosts;
/** An upstream on the operator's list. */
let listed: OpenaiUpstream;
let server: WireUpstream;
/** An upstream on no list. */
let unlisted: OpenaiUpstream;
let org: Org;
let token: string;

beforeAll(async () => {
  hosts = await VendorHosts.start(Object.fromEntries(VENDORS.map(({ host, kind }) => [host, kind.says()])));
  listed = await OpenaiUpstream.start();
  unlisted = await OpenaiUpstream.start();
  server = await WireUpstream.start(processes);
  service = await startService({
    settings: {
      ...{ mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] },
      ...MANY_OF_EACH,
      sealedAllowedOrigins: [new URL(listed.baseUrl).origin, server.origin],
    },
  });
  org = await service.createOrg('founder');
  ({ token } = await mint(service, { secrets: SECRETS }));
});

afterAll(async () => {
  await service.stop();
  await Promise.all([listed.close(), unlisted.close(), server.close(), hosts.close()]);
});

beforeEach(async () => {
  for (const upstream of [hosts, listed, unlisted, server, service.upstream]) upstream.reset();
  await clearLedger(service);
});

/** Another server of the same protocol, as its documentation describes it. */
function processes({ path, body }: WireRequest): WireAnswer {
  if (path !== '/api/v1/process') return jsonAnswer({ error: { message: `no such path: ${path}` } }, 404);
  const answer = (content: string): object => ({
    outputs: [{ text: { index: 0, role: 'assistant', content } }],
    conversationState: 'c3RhdGU',
    usage: { service: { serviceId: 'chat:dummy' }, totalMilliseconds: 1 },
  });
  if ((body['request'] as { stream?: boolean }).stream !== true) return jsonAnswer(answer('Hello from afar.'));
  const event = (name: string, data: object): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  return {
    headers: { 'content-type': 'text/event-stream' },
    chunks: [
      event('progress', answer('Hello')),
      'event: ping\ndata: {}\n\n',
      event('progress', answer(' from')),
      event('final', answer('Hello from afar.')),
    ],
  };
}

const sentOn = (more: Partial<Asked> = {}): Asked => ({
  ...{ serviceId: 'aisbreaker:network', url: server.origin },
  forward: { serviceId: 'chat:openai.com/gpt-4o', engine: 'x' },
  ...more,
});
const nothingArrived = (): void => {
  expect(hosts.requests).toEqual({});
  for (const { requests } of [listed, unlisted, server, service.upstream]) expect(requests).toEqual([]);
};

describe.each(VENDORS.map((vendor): [string, Vendor] => [vendor.host, vendor]))(
  '%s',
  (host, { service: id, kind, secret, header, value }) => {
    /** The one request came to this host, with this secret in the vendor's place, and with no other secret anywhere. */
    function expectArrived(): void {
      const { [host]: [sent] = [], ...elsewhere } = hosts.requests;
      expect(elsewhere).toEqual({});
      expect(sent?.headers[header]).toBe(value(secret));
      const all = JSON.stringify([sent?.headers, sent?.path, sent?.rawBody]);
      for (const { authSecret } of SECRETS) expect(all.split(authSecret)).toHaveLength(authSecret === secret ? 2 : 1);
      expect(all).not.toContain('aisbreaker_');
    }

    it('gets its own secret, and its answer comes back through /process', async () => {
      const answer = await processing(service, token, { serviceId: `${id}/${kind.model}`, text: 'Hi' });
      expect([answer.status, textOf(answer)]).toEqual([200, 'Hello there']);
      expectArrived();
      expect(await settledCall(service)).toMatchObject({ outcome: 'OK', model: kind.model });
      const events = eventsOf(await processing(service, token, { serviceId: id, text: 'Hi', stream: true }));
      expect(events.at(-1)).toMatchObject({
        event: 'final',
        data: { outputs: [{ text: { content: 'Hello there' } }] },
      });
    });

    it('and through /v1/chat/completions by the openai package', async () => {
      const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: token, maxRetries: 0 });
      const completion = await client.chat.completions.create({
        model: `${id.slice('chat:'.length)}/${kind.model}`,
        messages: [{ role: 'user', content: 'Hi' }],
      });
      expect(completion.choices[0]?.message.content).toBe('Hello there');
      expectArrived();
    });

    it('reports its refusal of the secret as the caller’s mistake', async () => {
      hosts.at(host).next(kind.refuses(401, `bad key ${secret}`));
      const answer = await processing(service, token, { serviceId: `${id}/${kind.model}` });
      expect(answer.status).toBe(401);
      expect(answer.text).not.toContain(secret);
    });
  },
);

describe('a request that names an address', () => {
  const OPENAIS: Secret = { serviceId: 'chat:openai.com', authSecret: 'sk-for-another-address' };
  const asked = (url: string, more: Partial<Asked> = {}): Asked => ({
    serviceId: 'chat:openai.com/gpt-4o-mini',
    url,
    ...more,
  });
  let at: string;

  beforeAll(async () => {
    ({ token: at } = await mint(service, { secrets: [...SECRETS, OPENAIS] }));
  });

  it.each(['', '/', '/v1', '/v1/', '/some/where'])(
    'is sent there with the matching secret, where the operator lists the origin: …%s',
    async (path) => {
      const { origin } = new URL(listed.baseUrl);
      await processing(service, at, asked(origin + path));
      expect(listed.requests.map((sent) => [sent.headers.authorization, sent.path])).toEqual([
        [`Bearer ${OPENAIS.authSecret}`, `${path.startsWith('/some') ? path : ''}/v1/chat/completions`],
      ]);
      expect(service.upstream.requests).toEqual([]);
      expect(hosts.requests).toEqual({});
    },
  );

  it('returns the answer, streamed and not, and is in the ledger under that host', async () => {
    const answer = await processing(service, at, asked(listed.baseUrl));
    expect([answer.status, textOf(answer)]).toEqual([200, 'Hello from the upstream.']);
    const row = await settledCall(service);
    expect(row.provider).toBe(`sealed/openai.com@${new URL(listed.baseUrl).host}`);
    const events = eventsOf(await processing(service, at, asked(listed.baseUrl, { stream: true })));
    expect(events.at(-1)).toMatchObject({ event: 'final' });
  });

  it.each<[string, () => Asked]>([
    ['an address on no list', () => asked(unlisted.baseUrl)],
    ['a listed one by another scheme', () => asked(listed.baseUrl.replace('http:', 'https:'))],
    ['a listed one by another name', () => asked(listed.baseUrl.replace('127.0.0.1', 'localhost'))],
    ['a listed one at another port', () => asked('http://127.0.0.1:1/v1')],
    ['one that only begins alike', () => asked(`${new URL(listed.baseUrl).origin}.example.org/v1`)],
    ['a listed one as a user name', () => asked(`${new URL(listed.baseUrl).origin}@example.org`)],
    ['one with a user name', () => asked(listed.baseUrl.replace('://', '://user:password@'))],
    ['one with a query', () => asked(`${listed.baseUrl}?to=elsewhere`)],
    ['one with a fragment', () => asked(`${listed.baseUrl}#part`)],
    ['one that takes the vendor’s path away', () => asked(`${listed.baseUrl}#no-default-path`)],
    ['another scheme’s', () => asked(`blob:${listed.baseUrl}`)],
    ['a malformed address', () => asked('nonsense')],
    ['an unlisted server', () => sentOn({ url: new URL(unlisted.baseUrl).origin })],
    ['no server', () => sentOn({ url: undefined })],
    ['a server, but no service', () => sentOn({ forward: undefined })],
  ])('is refused, and nothing goes out: %s', async (_what, make) => {
    const answer = await processing(service, at, make());
    expect([answer.status, answer.text]).toEqual([400, expect.stringMatching(/service\.(?:url|forward2ServiceProps)/)]);
    nothingArrived();
  });

  it("names the setting for the operator's list of origins", async () => {
    const { text } = await processing(service, at, asked(unlisted.baseUrl));
    expect(text).toContain('SEALED_ALLOWED_ORIGINS');
  });

  it('has no secret unless one matches, whatever the address', async () => {
    const answer = await processing(service, token, asked(listed.baseUrl));
    expect(answer.status).toBe(401);
    expect((await processing(service, null, asked(listed.baseUrl))).status).toBe(401);
    nothingArrived();
  });

  it('follows no redirect', async () => {
    for (const [upstream, from] of [
      [unlisted, asked(listed.baseUrl)],
      [unlisted, sentOn()],
    ] as const) {
      const answer = { status: 307, headers: { location: `${upstream.baseUrl}/chat/completions` } };
      listed.next({ kind: 'body', body: {}, ...answer });
      server.next({ chunks: [], ...answer });
      expect((await processing(service, at, from)).status).toBe(502);
    }
    expect(unlisted.requests).toEqual([]);
  });
});

describe('a request that is forwarded to another server', () => {
  it('sends the token itself there, with the service as the request named it', async () => {
    const answer = await processing(service, token, sentOn({ text: 'Hi' }));
    expect(answer.json()).toEqual({
      outputs: [{ text: { index: 0, role: 'assistant', content: 'Hello from afar.' } }],
      conversationState: expect.any(String) as string,
      usage: { service: { serviceId: 'aisbreaker:network' }, totalMilliseconds: expect.any(Number) as number },
    });
    const [sent] = server.requests;
    expect(sent).toMatchObject({
      ...{ method: 'POST', path: '/api/v1/process' },
      body: {
        service: { serviceId: 'chat:openai.com/gpt-4o', engine: 'x' },
        request: { inputs: [{ text: { role: 'user', content: 'Hi' } }] },
      },
    });
    expect(sent?.headers.authorization).toBe(`Bearer ${token}`);
    for (const { authSecret } of SECRETS) expect(JSON.stringify(sent)).not.toContain(authSecret);
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome: 'OK', model: 'chat:openai.com/gpt-4o', estimated: true });
    expect([row.provider, row.output_tokens > 0]).toEqual([`sealed/${new URL(server.origin).host}`, true]);
  });

  it('streams, and continues a conversation', async () => {
    const first = await processing(service, token, sentOn({ text: 'One' }));
    const state = first.json<{ conversationState: string }>().conversationState;
    const events = eventsOf(await processing(service, token, sentOn({ text: 'Two', stream: true, state })));
    const contentOf = ({ data }: (typeof events)[number]): unknown =>
      (data['outputs'] as { text: { content: string } }[])[0]?.text.content;
    const [last, ...before] = events.toReversed();
    expect([last?.event, contentOf(last!)]).toEqual(['final', 'Hello from afar.']);
    expect(new Set(before.map(({ event }) => event))).toEqual(new Set(['progress']));
    expect(before.toReversed().map(contentOf).join('')).toBe('Hello from afar.');
    expect(server.requests[1]?.body).toMatchObject({
      request: {
        stream: true,
        inputs: [
          { text: { role: 'user', content: 'One' } },
          { text: { role: 'assistant', content: 'Hello from afar.' } },
          { text: { role: 'user', content: 'Two' } },
        ],
      },
    });
  });

  it("reports that server's objections", async () => {
    const error = { message: 'Request quota exceeded', statusCode: 429, statusText: 'Too Many Requests' };
    server.next(jsonAnswer({ error }, 429));
    const answer = await processing(service, token, sentOn());
    expect([answer.status, answer.json()]).toEqual([429, { error }]);
    server.next(jsonAnswer({ error: { message: 'no', statusCode: 401, statusText: 'Unauthorized' } }, 401));
    expect((await processing(service, token, sentOn())).status).toBe(401);
    server.next({ chunks: [`event: error\ndata: ${JSON.stringify({ error })}\n\n`] });
    const refused = await processing(service, token, sentOn({ stream: true }));
    expect([refused.status, refused.text]).toEqual([429, expect.stringContaining('Request quota exceeded')]);
    server.next({ chunks: ['event: progress\n'], cut: true });
    expect((await processing(service, token, sentOn({ stream: true }))).status).toBe(502);
  });

  it('leaves the token, and its secrets, in no log, no error, no metric and no table', async () => {
    const log = captureLog('debug');
    const heard: string[] = [];
    const ask = async (more: Partial<Asked> = {}): Promise<void> => {
      const answer = await processing(service, token, sentOn(more));
      heard.push(answer.text, JSON.stringify(answer.headers));
    };
    await ask();
    await ask({ stream: true });
    for (const status of [400, 401, 429, 500]) {
      server.next(jsonAnswer({ error: { message: `Not with ${token}.`, statusCode: status } }, status));
      await ask();
    }
    server.next({ chunks: ['event: progress\n'], cut: true });
    await ask({ stream: true });
    server.next({ chunks: [`no JSON: ${token}`] });
    await ask();
    expect(server.requests.length).toBeGreaterThanOrEqual(8);
    await eventually(
      async () => (await service.sql("SELECT 1 FROM usage_records WHERE state <> 'SETTLED'")).length === 0,
    );
    log.stop();
    const metrics = await service.app.get(Metrics).registry.metrics();
    const places = [log.text(), heard.join('\n'), metrics, await dump(service.database.superuserUrl)];
    for (const canary of [token.split('.')[3]!, ...SECRETS.map(({ authSecret }) => authSecret)])
      for (const place of places) expect(place.includes(canary)).toBe(false);
  });

  it('needs a token, and /process', async () => {
    expect((await processing(service, null, sentOn())).status).toBe(401);
    const body = { model: 'aisbreaker:network', messages: [{ role: 'user', content: 'a' }] };
    const headers = { authorization: `Bearer ${token}` };
    const answer = await service.call('POST', '/v1/chat/completions', { headers, body });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('service.url')]);
    nothingArrived();
  });

  it('is refused under a limit of tokens, since that server can’t be held to one', async () => {
    const { key, keyId } = await service.createKey(org);
    const { token: limited } = await mint(service, { key, secrets: [] });
    const asUser = { user: org.user, tenant: org.tenantId };
    await service.asUser(asUser, 'budgets/set', {
      ...{ holder: { keyId }, type: 'token_cnt', period: 'DAY', limit: '100000' },
    });
    const answer = await processing(service, limited, sentOn());
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('service.serviceId')]);
    nothingArrived();
  });

  it('is limited to the models of the key that made the token', async () => {
    const { key, keyId } = await service.createKey(org);
    await service.sql("UPDATE api_keys SET models = '{gpt-4o}' WHERE id = $1", [keyId]);
    const { token: confined } = await mint(service, { key, secrets: [] });
    expect((await processing(service, confined, sentOn())).status).toBe(200);
    const other = sentOn({ forward: { serviceId: 'chat:openai.com/o3' } });
    expect((await processing(service, confined, other)).status).toBe(403);
    expect(server.requests).toHaveLength(1);
  });
});
