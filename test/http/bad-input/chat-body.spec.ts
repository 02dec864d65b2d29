import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { rowCounts } from '../ledger.js';
import { openaiError } from '../refusals.js';

let service: TestService;
let key: string;
let before: Record<string, number>;

beforeAll(async () => {
  service = await startService({ settings: { bodyLimitBytes: 2_000_000, openaiModels: [UPSTREAM_MODEL] } });
  ({ key } = await service.createKey(await service.createOrg('founder')));
  before = await rowCounts(service);
});

afterAll(() => service.stop());

afterEach(async () => {
  expect(service.upstream.requests).toEqual([]);
  expect(await rowCounts(service)).toEqual(before);
  expect((await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
});

const post = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', { headers: { authorization: `Bearer ${key}`, ...headers }, body });

const MESSAGES = '"messages":[{"role":"user","content":"marker-of-a-prompt"}]';
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('a body that is not a JSON object is 400, and the answer quotes nothing of it', () => {
  it.each([
    ['nothing', ''],
    ['blanks', ' \n\t'],
    ['half an object', `{"model":"${UPSTREAM_MODEL}",${MESSAGES}`],
    ['two objects', `{"model":"x",${MESSAGES}}{}`],
    ['a trailing comma', `{"model":"x",${MESSAGES},}`],
    ['single quotes', `{'model':'marker-of-a-prompt'}`],
    ['a comment', `{"model":"x",${MESSAGES} // marker-of-a-prompt\n}`],
    ['NaN', `{"model":"x",${MESSAGES},"temperature":NaN}`],
    ['a form', 'model=marker-of-a-prompt&stream=true'],
    ['null', 'null'],
    ['a list', `[{"model":"x",${MESSAGES}}]`],
    ['text', '"marker-of-a-prompt"'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['half of a surrogate pair in UTF-8', Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
    ['UTF-16', Buffer.from(`{"model":"x",${MESSAGES}}`, 'utf16le')],
    ['U+0000 between tokens', `{"model":"x",\0${MESSAGES}}`],
    ['100,000 open brackets', '['.repeat(100_000)],
    ['100,000 objects within each other, unclosed', '{"a":'.repeat(100_000)],
  ])('%s', async (_what, body) => {
    for (const contentType of ['application/json', 'application/json; charset=utf-8']) {
      const answer = await post(body, { 'content-type': contentType });
      expect(openaiError(answer, 400)).toMatchObject({ type: 'invalid_request_error' });
      expect(answer.text).not.toContain('marker');
    }
  });
});

describe('a wrong field is 400 and named', () => {
  it.each([
    ['no model', `{${MESSAGES}}`, 'model'],
    ['an empty model', `{"model":"",${MESSAGES}}`, 'model'],
    ['a null model', `{"model":null,${MESSAGES}}`, 'model'],
    ['a model that is a number', `{"model":4,${MESSAGES}}`, 'model'],
    ['a model that is a list', `{"model":["${UPSTREAM_MODEL}"],${MESSAGES}}`, 'model'],
    ['a model with U+0000', `{"model":"gpt\\u0000",${MESSAGES}}`, 'model'],
    ['a model with half a surrogate pair', `{"model":"\\ud800",${MESSAGES}}`, 'model'],
    ['a model of 100,000 characters', `{"model":"${'m'.repeat(100_000)}",${MESSAGES}}`, 'model'],
    ['the model twice', `{"model":"${UPSTREAM_MODEL}",${MESSAGES},"model":"dear"}`, 'model'],
    ['the model twice, once escaped', `{"model":"${UPSTREAM_MODEL}",${MESSAGES},"\\u006dodel":"dear"}`, 'model'],
    ['the model twice, the same', `{"model":"x","model":"x",${MESSAGES}}`, 'model'],
    ['max_tokens twice', `{"model":"x",${MESSAGES},"max_tokens":5,"max_tokens":5000}`, 'max_tokens'],
    [
      'max_tokens twice, once escaped',
      `{"max_toke\\u006Es":1,"model":"x",${MESSAGES},"max_tokens":5000}`,
      'max_tokens',
    ],
    ['the messages twice', `{"model":"x",${MESSAGES},${MESSAGES}}`, 'messages'],
    ['the stream twice', `{"model":"x",${MESSAGES},"stream":false,"stream":true}`, 'stream'],
    ['an unknown field twice', `{"model":"x",${MESSAGES},"zz":1,"zz":2}`, 'zz'],
    ['the prototype twice', `{"model":"x",${MESSAGES},"__proto__":1,"__proto__":2}`, '__proto__'],
    ['no messages', '{"model":"x"}', 'messages'],
    ['null for messages', '{"model":"x","messages":null}', 'messages'],
    ['messages that are text', '{"model":"x","messages":"Hi"}', 'messages'],
    ['messages that are an object', '{"model":"x","messages":{"0":{"role":"user"}}}', 'messages'],
    ['no message among messages', '{"model":"x","messages":[]}', 'messages'],
    ['a message that is null', '{"model":"x","messages":[{"role":"user","content":"Hi"},null]}', 'messages[1]'],
    ['a message that is a list', '{"model":"x","messages":[[]]}', 'messages[0]'],
    ['100 brackets for messages', `{"model":"x","messages":${deep(100)}}`, 'messages[0]'],
    ['stream that is text', `{"model":"x",${MESSAGES},"stream":"true"}`, 'stream'],
    ['stream that is 1', `{"model":"x",${MESSAGES},"stream":1}`, 'stream'],
    ['stream_options that are true', `{"model":"x",${MESSAGES},"stream":true,"stream_options":true}`, 'stream_options'],
    ['stream_options that are a list', `{"model":"x",${MESSAGES},"stream":true,"stream_options":[]}`, 'stream_options'],
    ['an n of zero', `{"model":"x",${MESSAGES},"n":0}`, 'n'],
    ['n with a fraction', `{"model":"x",${MESSAGES},"n":1.5}`, 'n'],
    ['an infinite n', `{"model":"x",${MESSAGES},"n":1e999}`, 'n'],
    ['a negative max_tokens', `{"model":"x",${MESSAGES},"max_tokens":-2}`, 'max_tokens'],
    ['max_tokens that is text', `{"model":"x",${MESSAGES},"max_tokens":"9"}`, 'max_tokens'],
    [
      'max_completion_tokens with a fraction',
      `{"model":"x",${MESSAGES},"max_completion_tokens":0.5}`,
      'max_completion_tokens',
    ],
    ['max_tokens that is an object', `{"model":"x",${MESSAGES},"max_tokens":{"__proto__":5}}`, 'max_tokens'],
  ])('%s', async (_what, body, param) => {
    const error = openaiError(await post(body), 400);
    expect(error).toMatchObject({ type: 'invalid_request_error', param });
    expect(error.message).toContain(param);
    expect(error.message).not.toContain('marker');
  });
});

describe('an unknown model is 404', () => {
  it.each([
    'gpt-404',
    'GPT-4O-MINI',
    `${UPSTREAM_MODEL} `,
    '__proto__',
    'constructor',
    '../models',
    'm'.repeat(256),
    '模型',
    `${UPSTREAM_MODEL}\n`,
  ])('%j', async (model) => {
    const body = { model, messages: [{ role: 'user', content: 'Hi' }] };
    for (const answer of [
      await post(body),
      await service.call('GET', `/v1/models/${encodeURIComponent(model)}`, { headers: { 'x-api-key': key } }),
    ]) {
      expect(openaiError(answer, 404)).toMatchObject({ code: 'model_not_found', param: 'model' });
    }
  });
});

describe('headers and paths', () => {
  const good = `{"model":"${UPSTREAM_MODEL}",${MESSAGES}}`;

  it.each([
    'text/plain',
    'text/html',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/octet-stream',
    'json',
  ])('a type of %s is 415 and named', async (contentType) => {
    expect(openaiError(await post(good, { 'content-type': contentType }), 415)).toMatchObject({
      param: 'content-type',
    });
  });

  it.each(['gzip', 'br', 'deflate', 'zstd', 'gzip, identity', 'nonsense'])(
    'an encoding of %s is 415 and named',
    async (encoding) => {
      expect(openaiError(await post(good, { 'content-encoding': encoding }), 415)).toMatchObject({
        param: 'content-encoding',
      });
    },
  );

  it.each(['GET', 'PUT', 'PATCH', 'DELETE'])('%s instead of POST is refused in OpenAI’s shape', async (method) => {
    const answer = await service.call(method, '/v1/chat/completions', { headers: { 'x-api-key': key } });
    expect([404, 405]).toContain(answer.status);
    expect(openaiError(answer, answer.status).message).toContain(method);
  });

  it.each([
    ['POST', '/v1'],
    ['POST', '/v1/'],
    ['POST', '/v1/chat'],
    ['POST', '/v1/chat/completions/more'],
    ['POST', '/v1/completions'],
    ['GET', '/v1/chat/completions/chatcmpl-1'],
    ['POST', '/v1//chat/completions'],
    ['POST', '/v1/%63hat/completionz'],
  ])('%s %s is 404 in OpenAI’s shape', async (method, path) => {
    const body = method === 'POST' ? { body: '{}' } : {};
    openaiError(await service.call(method, path, { headers: { 'x-api-key': key }, ...body }), 404);
  });
});
