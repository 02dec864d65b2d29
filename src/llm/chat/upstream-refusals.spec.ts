/** A provider's refusals: the caller's error, and the log's entry. */
import { captureLog, type CapturedLog } from '../../../test/support/captured-log.js';
import { ChatServer, PROVIDER_SECRET, type ChatAnswer } from '../../../test/support/chat-server.js';
import { OpenaiUpstream, UPSTREAM_MODEL, errorBody } from '../../../test/support/openai-upstream.js';
import { Tokenizer } from '../tokens/tokenizer.js';

const BODY = {
  model: UPSTREAM_MODEL,
  messages: [{ role: 'user', content: 'My password is hunter2; paint a violet elephant.' }],
};

let upstream: OpenaiUpstream;
let server: ChatServer;
let log: CapturedLog;
const tokenizer = new Tokenizer();

beforeAll(() => tokenizer.load());

beforeEach(async () => {
  log = captureLog('warn');
  upstream = await OpenaiUpstream.start();
  server = await ChatServer.start(upstream, tokenizer);
});

afterEach(async () => {
  await server.stop();
  await upstream.close();
  log.stop();
});

const errorOf = ({ text }: ChatAnswer): { message: string; code: string | null } =>
  (JSON.parse(text) as { error: { message: string; code: string | null } }).error;

describe('a 403', () => {
  const flagged = `requires moderation: input was flagged: "violet elephant", hunter2, painting, ${PROVIDER_SECRET} (harassment)`;

  it.each([
    ['an error status', { kind: 'body', status: 403, body: errorBody(flagged, 'x') } as const],
    ['an error that says 200', { kind: 'body', body: { error: { code: 403, message: flagged } } } as const],
    ['its code', { kind: 'body', status: 403, body: errorBody('No.', 'x', 'content_policy_violation') } as const],
  ])('about the request is a 403 with a message of ours, by %s', async (_what, refusal) => {
    for (const stream of [false, true]) {
      upstream.next(refusal);
      const answer = await server.post({ ...BODY, stream });
      expect(answer.status).toBe(403);
      expect(errorOf(answer)).toMatchObject({
        message: 'The model provider refused this request because of its content.',
        code: 'content_refused',
      });
    }
    for (const settlement of server.book.settlements)
      expect(settlement).toMatchObject({ outcome: 'UPSTREAM_ERROR', inputTokens: 0, outputTokens: 0, counted: false });
  });

  it("is in the log with the provider's message, without the prompt and without the key", async () => {
    upstream.next({ kind: 'body', status: 403, body: errorBody(flagged, 'x') });
    await server.post(BODY);
    const [line] = log.lines.filter(({ said }) => said !== undefined);
    expect(line!['said']).toBe('requires moderation: input was flagged: […], […], painting, […] (harassment)');
    for (const hidden of ['hunter2', 'violet', 'elephant', PROVIDER_SECRET]) expect(log.text()).not.toContain(hidden);
  });

  it.each([
    [BODY.messages[0]!.content, /^\W*(?:is|a|\W|…)*$/],
    [`You sent ${'kP9'.repeat(12)}`, /^You sent \[…\]$/],
    ['“violet” 大象', /^\[…\] \[…\]$/],
  ])('that quotes %j is logged without it', async (message, expected) => {
    upstream.next({ kind: 'body', status: 400, body: errorBody(message, 'x') });
    await server.post(BODY);
    expect(log.lines.find(({ said }) => said !== undefined)!['said']).toMatch(expected);
  });

  it('whose code is a sentence is logged without it', async () => {
    upstream.next({ kind: 'body', status: 400, body: errorBody('No.', 'x', 'no violet elephant') });
    await server.post(BODY);
    expect(log.lines).toMatchObject([{ status: 400, code: null }]);
    expect(log.text()).not.toContain('violet');
  });

  it('about a request that is too long to compare is logged by its status only', async () => {
    await server.stop();
    server = await ChatServer.start(upstream, tokenizer, { GATEHOUSE_BODY_LIMIT_BYTES: '1000000' });
    upstream.next({ kind: 'body', status: 403, body: errorBody('input was flagged', 'x') });
    await server.post({ ...BODY, user: 'x'.repeat(300_000) });
    expect(log.lines).toMatchObject([{ status: 403, code: 'content_refused' }]);
    expect(log.text()).not.toContain('said');
  });

  it('about our credential is our own mistake', async () => {
    upstream.next({ kind: 'body', status: 403, body: errorBody(`Bad key ${PROVIDER_SECRET}`, 'x') });
    const answer = await server.post(BODY);
    expect([answer.status, errorOf(answer).code]).toEqual([502, 'provider_authentication_failed']);
    upstream.next({ kind: 'body', status: 403, body: errorBody('Invalid API key: requests are moderated', 'x') });
    expect((await server.post(BODY)).status).toBe(502);
  });
});
