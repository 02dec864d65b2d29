import fc from 'fast-check';
import { OpenaiUpstream } from '../../../../test/support/openai-upstream.js';
import { loadSettings } from '../../../platform/config/index.js';
import { OutboundHttp } from '../../../platform/outbound/index.js';
import { logger } from '../../../platform/logging/index.js';
import { parseChatRequest } from '../requests/chat-request.js';
import { Tokenizer } from '../../tokens/tokenizer.js';
import { withUsageAsked } from './chat-reader.js';
import { OpenaiProvider } from './openai.provider.js';

describe('withUsageAsked', () => {
  const asked = (text: string): string => withUsageAsked(parseChatRequest(Buffer.from(text))).toString('utf8');

  it('adds the question and changes no other byte', () => {
    expect(asked(' { "model":"m","seed":12345678901234567890,"messages":[{"a":1.0}],"stream":true}')).toBe(
      ' {"stream_options":{"include_usage":true}, "model":"m","seed":12345678901234567890,"messages":[{"a":1.0}],"stream":true}',
    );
  });

  it.each([
    ['null', '{"include_usage":true}'],
    ['{}', '{"include_usage":true}'],
    ['{"include_usage":false}', '{"include_usage":true}'],
    [
      '{ "big":12345678901234567890, "include_usage" : false }',
      '{ "big":12345678901234567890, "include_usage" : true }',
    ],
    ['{"include_obfuscation":false}', '{"include_usage":true,"include_obfuscation":false}'],
  ])('turns the options %s into %s', (before, after) => {
    const body = (options: string): string => `{"model":"m","stream_options":${options},"messages":[{}],"stream":true}`;
    expect(asked(body(before))).toBe(body(after));
  });

  it('passes no byte order mark on', () => {
    expect(asked('\uFEFF{"model":"m","messages":[{}],"stream":true}').startsWith('{"stream_options"')).toBe(true);
  });

  it('says for every body what the body said, and the question', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().map((key) => `x-${key}`),
          fc.jsonValue(),
        ),
        fc.option(fc.dictionary(fc.string(), fc.jsonValue()), { nil: undefined }),
        (rest, streamOptions) => {
          const body = {
            ...rest,
            model: 'm',
            messages: [{}],
            stream: true,
            n: 1,
            max_tokens: 1,
            max_completion_tokens: 1,
            stream_options: streamOptions,
          };
          const text = JSON.stringify(body);
          const said = JSON.parse(text) as { stream_options?: object };
          const options = { ...said.stream_options, include_usage: true };
          expect(JSON.parse(asked(text))).toEqual({ ...said, stream_options: options });
        },
      ),
    );
  });
});

describe('the catalogue of an OpenAI-compatible provider', () => {
  let upstream: OpenaiUpstream;
  let http: OutboundHttp;

  beforeEach(async () => {
    logger.level = 'silent';
    upstream = await OpenaiUpstream.start();
    http = new OutboundHttp({ connectTimeoutMs: 5000 });
  });

  afterEach(async () => {
    await http.onApplicationShutdown();
    await upstream.close();
  });

  function provider(environment: Record<string, string> = {}): OpenaiProvider {
    const { settings } = loadSettings({ OPENAI_BASE_URL: upstream.baseUrl, ...environment });
    const { openaiApiKey: apiKey, openaiBaseUrl: baseUrl, openaiModels: models = [] } = settings;
    const credentials = apiKey === undefined ? {} : { apiKey };
    return new OpenaiProvider(
      { name: 'openai', kind: 'openai', baseUrl, policy: 'operator', credentials, settings: {}, models },
      { http, tokenizer: new Tokenizer(), timeouts: settings },
    );
  }

  it('is what the provider lists, asked for once for any number of callers', async () => {
    upstream.models = ['a', 'b/c'];
    const { catalogue } = provider({ OPENAI_API_KEY: 'sk-secret' });
    await Promise.all([catalogue.get('a'), catalogue.get('b/c')]);
    expect(catalogue.has('a')).toBe(true);
    expect((await catalogue.list()).map(({ id }) => id)).toEqual(['a', 'b/c']);
    expect(upstream.otherRequests).toHaveLength(1);
    expect(upstream.otherRequests[0]?.headers.authorization).toBe('Bearer sk-secret');
  });

  it('is what the operator wrote down, and then the provider is not asked', async () => {
    const { catalogue } = provider({ OPENAI_MODELS: 'x, y' });
    await catalogue.assertServed('x');
    await expect(catalogue.assertServed('a')).rejects.toMatchObject({ kind: 'not_found', code: 'model_not_found' });
    expect(upstream.otherRequests).toHaveLength(0);
  });

  it('lets any name pass where the provider keeps no list', async () => {
    upstream.models = null;
    const { catalogue } = provider();
    await catalogue.list();
    expect(catalogue.has('whatever')).toBe(true);
    expect(await catalogue.list()).toEqual([]);
  });

  it('lets any name pass while the provider cannot be asked', async () => {
    const silent = provider();
    await upstream.close();
    await silent.catalogue.assertServed('whatever');
    await expect(silent.catalogue.list()).rejects.toMatchObject({ kind: 'upstream_failed' });
  });

  it('keeps the query of the base address', async () => {
    const { catalogue } = provider({ OPENAI_BASE_URL: `${upstream.baseUrl}/?api-version=1` });
    await catalogue.list();
    expect(upstream.otherRequests[0]?.path).toBe('/v1/models?api-version=1');
  });
});
