/** Bodies that would cost far more than their size: refused before the service builds anything from them. */
import { startService, type Org, type TestService } from '../../support/service.js';
import { rowCounts } from '../ledger.js';

let service: TestService;
let org: Org;
let key: string;
let before: Record<string, number>;

beforeAll(async () => {
  service = await startService();
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org));
  before = await rowCounts(service);
});

afterAll(() => service.stop());

afterEach(async () => {
  expect(service.upstream.requests).toEqual([]);
  expect(await rowCounts(service)).toEqual(before);
});

const MIB = 1024 * 1024;
const CHAT = '"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]';
const ESCAPED_CHAT = CHAT.replace('"model"', '"\\u006dodel"');
const nested = (open: string, levels: number, close: string, inner = ''): string =>
  open.repeat(levels) + inner + close.repeat(levels);
const fields = (count: number): string => Array.from({ length: count }, (_, index) => `"k${index}":1`).join(',');

/** Every surface reads bodies with its own code, so the bounds are tested on each. */
const ROUTES = [
  ['OpenAI', '/v1/chat/completions', (extra: string) => `{${CHAT},${extra}}`],
  ['OpenAI with an escaped key', '/v1/chat/completions', (extra: string) => `{${ESCAPED_CHAT},${extra}}`],
  ['platform', '/api/v1/llm/gateway/list-threads', (extra: string) => `{${extra}}`],
  ['usage', '/v1/usage/token', (extra: string) => `{"human":"ann",${extra}}`],
] as const;

const send = (route: string, body: string) => service.call('POST', route, { headers: { 'x-api-key': key }, body });

describe.each(ROUTES)('on the %s surface', (_surface, route, bodyWith) => {
  it.each([
    ['lists that are nested to the end of 20 MiB', `"x":${nested('[', 9 * MIB, ']')}`],
    ['objects that are nested to the end of 20 MiB', `"x":${nested('{"a":', 3 * MIB, '}', '1')}`],
    ['a field that is nested 129 levels with the body', `"reasoning":${nested('{"a":', 128, '}', '1')}`],
    ['a field that is nested 5,000 levels', `"reasoning":${nested('{"a":', 5_000, '}', '1')}`],
  ])('%s are 400, and the answer names the limit', async (_what, extra) => {
    const answer = await send(route, bodyWith(extra));
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('deeper than 128 levels');
    expect(answer.text).toContain('GATEHOUSE_BODY_LIMIT_DEPTH');
  });

  it.each([
    ['17.5 MiB of fields', fields(1_300_000)],
    ['a list of 250,000 items', `"x":[${'0,'.repeat(249_999)}0]`],
    ['300,000 empty objects', `"x":[${'{},'.repeat(299_999)}{}]`],
  ])('%s are 413, and the answer names the limit', async (_what, extra) => {
    const answer = await send(route, bodyWith(extra));
    expect(answer.status).toBe(413);
    expect(answer.text).toContain('more than 250000 JSON values');
    expect(answer.text).toContain('GATEHOUSE_BODY_LIMIT_VALUES');
  });

  it('objects with more than 10,000 different fields together are 400', async () => {
    const objects = Array.from({ length: 10_001 }, (_, index) => `{"k${index}":1}`).join(',');
    const answer = await send(route, bodyWith(`"x":[${objects}]`));
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('more than 10000 different fields');
  });

  it('more than 20 MiB are 413, and the answer names the limit', async () => {
    const answer = await send(route, bodyWith(`"x":"${'x'.repeat(20 * MIB)}"`));
    expect(answer.status).toBe(413);
    expect(answer.text).toContain('larger than 20971520 bytes');
    expect(answer.text).toContain('GATEHOUSE_BODY_LIMIT_BYTES');
  });
});
