/** The models that a caller may use, and a tenant's own settings of models. */
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import type { Answer, MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { fieldsOf, openaiError, platformError } from '../refusals.js';

let service: SharedService;
let org: Org;
let key: MadeKey;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  org = await service.createOrg();
  key = await service.createKey(org, {
    scopes: ['chat:write', 'providers:read', 'providers:write', 'usage:read', 'usage:write'],
  });
});

type Headers = Readonly<Record<string, string>>;
const asKey = (headers: Headers = {}): Headers => ({ 'x-api-key': key.key, ...headers });
const get = (path: string, headers: Headers = asKey()): Promise<Answer> => service.call('GET', path, { headers });
const post = (route: string, body: object): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers: asKey(), body });
const complete = (headers: Headers = asKey(), more: object = {}): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers,
    body: { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }], ...more },
  });
const asOwner = <T>(route: string, body: object): Promise<T> =>
  service.asUser<T>({ user: org.user, tenant: org.tenantId }, route, body);
const idsIn = (answer: Answer): string[] => answer.json<{ data: { id: string }[] }>().data.map(({ id }) => id);

describe('a key that is limited to some models', () => {
  const confine = (models: string[]): Promise<{ apiKey: { models: string[] } }> =>
    asOwner('api-keys/update', { keyId: key.keyId, models });

  it('may use and see only these, and so may its usage tokens; with the limit removed, any', async () => {
    const { token } = (
      await service.call('POST', '/v1/usage/token', { headers: asKey(), body: { human: 'ann' } })
    ).json<{ token: string }>();
    const asAnn = { authorization: `Bearer ${token}` };
    expect((await confine(['gpt-4.1'])).apiKey.models).toEqual(['gpt-4.1']);
    for (const headers of [asKey(), asAnn]) {
      await eventually(async () => (await complete(headers)).status === 403);
      service.upstream.reset();
      const error = openaiError(await complete(headers), 403);
      expect([error.code, error.param]).toEqual(['model_not_allowed', 'model']);
      expect(error.message).toContain(UPSTREAM_MODEL);
      expect(service.upstream.requests).toHaveLength(0);
      expect(openaiError(await get(`/v1/models/${UPSTREAM_MODEL}`, headers), 404).code).toBe('model_not_found');
      expect(openaiError(await get(`/v1/llm/${UPSTREAM_MODEL}`, headers), 404).code).toBe('model_not_found');
      for (const id of idsIn(await get('/v1/models', headers))) expect(id).toBe('gpt-4.1');
    }

    await confine([UPSTREAM_MODEL]);
    await eventually(async () => (await complete()).status === 200);
    expect(idsIn(await get('/v1/models'))).toEqual([UPSTREAM_MODEL]);
    expect((await get('/v1/llm/list')).json()).toMatchObject({ total_count: 1, values: [{ id: UPSTREAM_MODEL }] });
    await confine(['gpt-4.1']);
    await eventually(async () => (await complete()).status === 403);
    await confine([]);
    await eventually(async () => (await complete()).status === 200);
  });

  it('is created so, secret or publishable, and shows it', async () => {
    const made = await asOwner<{ result: { models: string[] } }>('api-keys/create', { name: 'K', models: ['a', 'b'] });
    expect(made.result.models).toEqual(['a', 'b']);
    const app = await asOwner<{ result: { models: string[] } }>('api-keys/create-publishable', {
      ...{ name: 'P', models: ['a'], unlimited: true },
      oidcConfig: { issuer: 'https://issuer.example', audience: 'app' },
    });
    expect(app.result.models).toEqual(['a']);
    const headers = { authorization: `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId })}` };
    const twice = await service.call('POST', '/api/v1/api-keys/create', {
      headers,
      body: { name: 'K', models: ['a', 'a'] },
    });
    expect(fieldsOf(platformError(twice, 400))).toEqual(['models']);
  });
});

interface ModelView {
  readonly model: string;
  readonly targets: { provider: string; model: string }[];
  readonly contextTokens?: number;
  readonly price?: Readonly<Record<string, unknown>>;
  readonly overridden: boolean;
}

describe('llm/models', () => {
  const listed = async (): Promise<ModelView[]> => {
    const models: ModelView[] = [];
    let pageToken = '';
    do {
      const page = (await post('llm/models/list', { pageSize: 2, pageToken })).json<{
        models: ModelView[];
        nextPageToken: string;
      }>();
      models.push(...page.models);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return models;
  };
  const update = async (body: object): Promise<ModelView> => {
    const answer = await post('llm/models/update', body);
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    return answer.json<{ model: ModelView }>().model;
  };

  it('shows each model that the tenant can name with its target, limits and price, the price with date and source', async () => {
    const models = await listed();
    expect(models.map(({ model }) => model)).toEqual(idsIn(await get('/v1/models')).toSorted());
    expect(models.find(({ model }) => model === 'gpt-4o-mini')).toEqual({
      model: 'gpt-4o-mini',
      ownedBy: expect.any(String) as string,
      targets: [{ provider: 'openai', model: 'gpt-4o-mini' }],
      contextTokens: 128_000,
      maxOutputTokens: 16_384,
      hidesReasoning: false,
      capabilities: ['tools', 'images', 'json_schema'],
      price: {
        ...{ input: '0.15', cachedInput: '0.075', cacheWrite: '0.15', output: '0.6' },
        asOf: expect.stringMatching(/^20\d\d-\d\d/) as string,
        source: expect.stringMatching(/\w/) as string,
      },
      overridden: false,
    });
  });

  it("an update applies to this tenant only, to its lists and its calls' cost, until it is reset", async () => {
    const price = { input: '1000', cachedInput: '0.000001', output: '0', asOf: '2026-11-01' };
    expect(await update({ model: UPSTREAM_MODEL, contextTokens: 9_000, price })).toMatchObject({
      model: UPSTREAM_MODEL,
      contextTokens: 9_000,
      price: { ...price, cacheWrite: '1000', source: 'llm/models/update' },
      overridden: true,
    });
    // Fields that are not named stay.
    expect(await update({ model: UPSTREAM_MODEL, hidesReasoning: true })).toMatchObject({ contextTokens: 9_000 });
    await eventually(async () => (await get(`/v1/llm/${UPSTREAM_MODEL}`)).text.includes('9000 tokens'));
    expect((await complete()).status).toBe(200);
    const costs = (): Promise<{ cost: string; tokens: number }[]> =>
      service.sql(
        "SELECT cost_pico_usd::text AS cost, input_tokens AS tokens FROM usage_records WHERE tenant_id = $1 AND state = 'SETTLED'",
        [org.tenantId],
      );
    await eventually(async () => (await costs()).length === 1);
    const [{ cost, tokens }] = (await costs()) as [{ cost: string; tokens: number }];
    expect(Number(cost)).toBe(tokens * 1_000_000_000);

    // A budget judges by it: the prompt alone costs more than what is left.
    await post('budgets/set', { holder: { tenant: true }, type: 'cost_micros', period: 'DAY', limit: 10 });
    openaiError(await complete(asKey(), { max_tokens: 1 }), 429);

    const other = await service.createOrg();
    const others = await service.createKey(other, { scopes: ['chat:write'] });
    const theirs = await get(`/v1/llm/${UPSTREAM_MODEL}`, { 'x-api-key': others.key });
    expect(theirs.text).not.toContain('9000 tokens');

    expect(await update({ model: UPSTREAM_MODEL, reset: true })).toMatchObject({ overridden: false });
    await eventually(async () => !(await get(`/v1/llm/${UPSTREAM_MODEL}`)).text.includes('9000 tokens'));
  });

  it('a model that is not built in must be described completely, and is then listed', async () => {
    const model = 'house-model';
    expect(fieldsOf(platformError(await post('llm/models/update', { model, contextTokens: 5 }), 400))).toEqual([
      'maxOutputTokens',
    ]);
    await update({ model, contextTokens: 5_000, maxOutputTokens: 500 });
    expect((await listed()).find((listedModel) => listedModel.model === model)).toMatchObject({
      contextTokens: 5_000,
      overridden: true,
    });
  });

  it.each<[string, object, string[]]>([
    ['a price without its output', { price: { input: '1' } }, ['price.output']],
    ['a negative amount', { price: { input: '-1', output: '1' } }, ['price.input']],
    ['an amount with too many decimals', { price: { input: '0.0000001', output: '1' } }, ['price.input']],
    ['an absurdly large amount', { price: { input: '1001', output: '1' } }, ['price.input']],
    ['no size', { contextTokens: 0 }, ['contextTokens']],
    ['nothing to change', {}, ['model']],
    ['a reset with something to set', { reset: true, contextTokens: 5 }, ['reset']],
    ['an unknown field', { family: 'x' }, ['family']],
  ])('%s is 400 and named, and changes nothing', async (_what, fields, named) => {
    const answer = await post('llm/models/update', { model: 'gpt-4o-mini', ...fields });
    expect(fieldsOf(platformError(answer, 400))).toEqual(named);
    const rows = await service.sql('SELECT 1 FROM llm_model_overrides WHERE tenant_id = $1', [org.tenantId]);
    expect(rows).toEqual([]);
  });

  it('a change is in the audit log', async () => {
    await update({ model: 'gpt-4o-mini', contextTokens: 1_000 });
    const { events } = await asOwner<{ events: { action: string; resource: object }[] }>('audit/list', {});
    expect(events).toContainEqual(
      expect.objectContaining({ action: 'model.updated', resource: { type: 'model', id: 'gpt-4o-mini' } }),
    );
  });
});
