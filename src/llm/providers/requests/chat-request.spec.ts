import fc from 'fast-check';
import { parseChatRequest } from './chat-request.js';

const VALID = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const parse = (body: unknown): ReturnType<typeof parseChatRequest> =>
  parseChatRequest(Buffer.from(JSON.stringify(body)));

describe('parseChatRequest', () => {
  it('reads what the service itself depends on', () => {
    expect(
      parse({
        ...VALID,
        stream: true,
        n: 3,
        max_tokens: 5,
        max_completion_tokens: 7,
        stream_options: { include_usage: true },
      }),
    ).toMatchObject({
      model: 'm',
      stream: true,
      includeUsage: true,
      choices: 3,
      maxOutputTokens: 7,
    });
    expect(
      parse({ ...VALID, stream: null, n: null, max_tokens: null, max_completion_tokens: null, stream_options: null }),
    ).toMatchObject({
      stream: false,
      includeUsage: false,
      choices: 1,
      maxOutputTokens: null,
    });
  });

  it('reads a field whose name is written with an escape, whatever was read before', () => {
    // From then on V8 takes the name below for this one.
    JSON.parse('{"model":"m","messages":[],"\\\\":1}');
    const raw = Buffer.from('{"model":"m","messages":[{"role":"user","content":"hi"}],"\\u006e":100}');
    expect(parseChatRequest(raw).choices).toBe(100);
  });

  it('takes any field that it does not know, and keeps the body as it came', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((key) => !KNOWN.has(key.toUpperCase().toLowerCase())),
          fc.jsonValue(),
        ),
        (rest) => {
          const raw = Buffer.from(JSON.stringify({ ...rest, ...VALID }));
          expect(parseChatRequest(raw).raw).toEqual(raw);
        },
      ),
    );
  });

  it.each([
    ['model', { model: undefined }],
    ['model', { model: null }],
    ['model', { model: 7 }],
    ['model', { model: '' }],
    ['model', { model: 'a\u0000b' }],
    ['model', { model: 'm'.repeat(257) }],
    ['model', { model: 'sk_gh_a2RisE153CVF1Ds0qSEfsD7GzVr3AAyyD' }],
    ['messages', { messages: undefined }],
    ['messages', { messages: [] }],
    ['messages', { messages: { role: 'user' } }],
    ['messages', { messages: 'hi' }],
    ['messages[1]', { messages: [{}, 'hi'] }],
    ['messages[0]', { messages: [null] }],
    ['messages[0]', { messages: [[]] }],
    ['stream', { stream: 'true' }],
    ['stream', { stream: 1 }],
    ['stream_options', { stream_options: true }],
    ['stream_options', { stream_options: [] }],
    ['stream_options.Include_Usage', { stream_options: { Include_Usage: false } }],
    ['Model', { Model: 'x' }],
    ['MAX_TOKENS', { MAX_TOKENS: 1 }],
    ['\u017ftream', { '\u017ftream': true }],
    ['n', { n: 0 }],
    ['n', { n: 129 }],
    ['n', { n: 1.5 }],
    ['n', { n: '1' }],
    ['max_tokens', { max_tokens: -2 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['max_tokens', { max_tokens: '5', max_completion_tokens: 5 }],
    ['max_completion_tokens', { max_completion_tokens: 1e300 }],
    ['max_completion_tokens', { max_completion_tokens: {} }],
  ])('refuses a bad %s and names it: %j', (field, change) => {
    expect(faultOf(JSON.stringify({ ...VALID, ...change }))).toMatchObject({
      kind: 'invalid_input',
      fields: [{ field }],
    });
  });

  it('refuses stream options that say one thing twice', () => {
    const body = '{"model":"m","messages":[{}],"stream_options":{"include_usage":true,"include_usage":false}}';
    expect(faultOf(body)).toMatchObject({ kind: 'invalid_input', fields: [{ field: 'include_usage' }] });
  });

  it('refuses a model with a lone surrogate, which a string can hold only escaped', () => {
    expect(faultOf('{"model":"a\\ud800","messages":[{}]}')).toMatchObject({ fields: [{ field: 'model' }] });
  });
});

function faultOf(body: string): unknown {
  try {
    return parseChatRequest(Buffer.from(body));
  } catch (error) {
    return error;
  }
}

const KNOWN = new Set(['model', 'messages', 'stream', 'stream_options', 'n', 'max_tokens', 'max_completion_tokens']);
