import { parseJsonObject } from '../../../platform/json/index.js';
import { readResponsesRequest } from '../requests/responses-request.js';
import { chatOf } from './chat-of-responses.js';

const requestOf = (text: string) => readResponsesRequest(parseJsonObject(Buffer.from(text)));

describe('chatOf', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'refuses the field %s like any unknown one',
    (field) => {
      const request = requestOf(`{"${field}":{"x":1},"model":"m","input":"Hi"}`);
      expect(() => chatOf(request, 'max_tokens')).toThrow(`${field}: can't be carried`);
    },
  );

  it.each([
    ['[]', 'input: must hold at least one message'],
    ['[{"type":"reasoning","summary":[]}]', 'input: must hold at least one message'],
    ['[{"type":"computer_call"}]', "input[0]: is a computer_call, which can't be carried"],
    ['[{"type":{"toString":null}}]', 'input[0]: has a type that is not a string'],
    ['[{"role":"user","content":[{"type":{"toString":1}}]}]', 'input[0].content[0]: has a type that is not a string'],
  ])('refuses the input %s by its own name', (input, said) => {
    expect(() => chatOf(requestOf(`{"model":"m","input":${input}}`), 'max_tokens')).toThrow(said);
  });

  it('writes JSON that parses to its text, with the position of each field', () => {
    const request = requestOf(
      '{"model":"m","input":"Say \\"Grüße\\" \\u0001","stream":true,"max_output_tokens":5,"temperature":1e-7,"user":null}',
    );
    const { json, raw } = chatOf(request, 'max_completion_tokens');
    expect(json.bytes).toBe(raw);
    const parsed = parseJsonObject(raw);
    expect(json.value).toEqual(parsed.value);
    expect(json.fields).toEqual(parsed.fields);
    expect(json.text).toBe(parsed.text);
    expect(json.value).toMatchObject({ max_completion_tokens: 5, stream_options: { include_usage: true } });
  });
});
