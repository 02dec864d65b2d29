import { parseJsonObject } from '../../platform/json/index.js';
import { readEmbeddingsRequest } from '../providers/requests/embeddings-request.js';
import type { CallBound } from '../calls/operation.js';
import { boundEmbeddings } from './embeddings-bound.js';

const TEXTS = { atMost: (text: string) => Buffer.byteLength(text) };
const boundOf = (fields: object): CallBound => {
  const body = { model: 'some-embeddings', input: ['one', 'two'], ...fields };
  return boundEmbeddings(readEmbeddingsRequest(parseJsonObject(Buffer.from(JSON.stringify(body)))), null, TEXTS);
};

describe('the bound of embeddings', () => {
  it.each([
    [
      'messages',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x.example' } }] }] },
    ],
    ['inputs', { inputs: [{ content: [{ type: 'image_url', image_url: { url: 'https://x.example' } }] }] }],
    ['Instances', { Instances: [{ image: { gcsUri: 'gs://x' } }] }],
    ['images', { images: ['https://x.example'] }],
    ['chat_template', { chat_template: '{% for i in range(9**9) %}x{% endfor %}' }],
  ])('is missing where %s may refer to content outside the body', (field, fields) => {
    expect(boundOf({}).boundless).toBeNull();
    expect(boundOf(fields).boundless).toBe(field);
  });

  it('includes the fields beside each input, however a tokenizer folds them', () => {
    const folds = '\ufdfa'.repeat(100);
    const beside = boundOf({ instruction: folds }).inputTokens - boundOf({}).inputTokens;
    expect(beside).toBeGreaterThanOrEqual(2 * Buffer.byteLength(folds.normalize('NFKC')));
  });
});
