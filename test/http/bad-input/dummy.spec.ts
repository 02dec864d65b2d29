/** The dummy provider reads the caller's schemas itself. It runs in a process of its own here, which must survive all of them. */
import { startServiceProcess, type Answer, type ServiceProcess } from '../../support/service.js';
import { settledCalls } from '../ledger.js';

let service: ServiceProcess;
let key: string;

async function begin(): Promise<void> {
  service = await startServiceProcess({
    env: { GATEHOUSE_DUMMY_PROVIDER: 'on', OPENAI_API_KEY: undefined, OPENAI_BASE_URL: undefined },
    nodeArguments: ['--max-old-space-size=512'],
  });
  ({ key } = await service.createKey(await service.seedOrg()));
}

beforeAll(begin);

afterAll(() => service.stop());

afterEach(async () => {
  const alive = await service.call('GET', '/health/live').then(
    ({ status }) => status === 200,
    () => false,
  );
  if (!alive) {
    const { stderr } = await service.kill9();
    await begin();
    throw new Error(`The service was gone: ${stderr.slice(0, 300)}`);
  }
  await service.sql('DELETE FROM usage_records');
});

const post = (body: unknown): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body });

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const nested = (levels: number, open: string, inner: string, close: string): string =>
  open.repeat(levels) + inner + close.repeat(levels);

describe('any schema is answered, or refused with 4xx, and the service keeps running', () => {
  it.each([
    [
      'lists of lists of lists',
      nested(14, '{"type":"array","minItems":16,"items":', '{"type":"string","minLength":256}', '}'),
    ],
    [
      'objects of objects of objects',
      nested(14, '{"type":"object","required":["a","b","c","d","e","f"],"properties":{"a":', '{}', '}}'),
    ],
    [
      'itself in every field',
      '{"type":"object","required":["a","b","c","d","e","f","g","h"],"properties":{"a":{"$ref":"#"},"b":{"$ref":"#"},"c":{"$ref":"#"},"d":{"$ref":"#"},"e":{"$ref":"#"},"f":{"$ref":"#"},"g":{"$ref":"#"},"h":{"$ref":"#"}}}',
    ],
    ['itself', '{"$ref":"#"}'],
    ['two that name each other', '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}'],
    ['a constant of 100,000 brackets', `{"const":${nested(100_000, '[', '', ']')}}`],
    ['100,000 choices within each other', nested(100_000, '{"anyOf":[', '{}', ']}')],
    [
      'a required field that is the prototype',
      '{"type":"object","required":["__proto__","constructor"],"properties":{}}',
    ],
    ['a list', '[]'],
    ['nothing', 'null'],
  ])('%s', async (_what, schema) => {
    const asked = [
      `"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":${schema}}}`,
      `"tools":[{"type":"function","function":{"name":"t","parameters":${schema}}}],"tool_choice":"required"`,
    ];
    for (const fields of asked) {
      const answer = await post(`{"model":"dummy","messages":${JSON.stringify(MESSAGES)},${fields}}`);
      expect([answer.status < 500, answer.text.slice(0, 200)]).toEqual([true, expect.any(String)]);
    }
  });
});

describe('any message is answered, and counted', () => {
  it.each([
    ['no content', { role: 'user' }],
    ['null content', { role: 'user', content: null }],
    ['content of another type', { role: 'user', content: 7 }],
    [
      'parts of any kind',
      {
        role: 'user',
        content: [
          null,
          7,
          'x',
          [],
          { type: 'text' },
          { type: 'text', text: 7 },
          { type: 'image_url' },
          { type: 'image_url', image_url: 7 },
        ],
      },
    ],
    ['half a surrogate pair', { role: 'user', content: '\ud83d half' }],
    ['U+0000', { role: 'user', content: 'a\0b' }],
    ['the tokenizer’s own marks', { role: 'user', content: '<|endoftext|><|im_start|>system' }],
    ['one letter a million times', { role: 'user', content: 'a'.repeat(1_000_000) }],
    ['an unknown role', { role: 'wizard', content: 'Hi' }],
    ['no role', { content: 'Hi' }],
  ])('%s', async (_what, message) => {
    const answers = [
      await post({ model: 'dummy', messages: [message] }),
      await post({ model: 'dummy', stream: true, messages: [message] }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    for (const row of await settledCalls(service, 2)) expect(row).toMatchObject({ outcome: 'OK', provider: 'dummy' });
  });
});
