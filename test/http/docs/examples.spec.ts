/**
 * Every operation of the OpenAPI document, sent with its example, is answered as the document says: with a status that it
 * lists, in the shape of its schema. `UPDATE_CONTRACTS=1` records the answers as the document's examples.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { BODY_EXAMPLES, PLACEHOLDERS, exampleIdOf } from '../../../src/app/openapi/examples.js';
import { SCOPES } from '../../../src/identity/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { AnswerSchemas, type Document } from './answer-schemas.js';
import { asExample } from './recorded-answers.js';

interface Operation {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: object }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, unknown>>; readonly headers?: object }>
  >;
}
interface Told {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** Operations that can't succeed on a fresh service, and why. */
const REFUSED: Readonly<Record<string, number>> = {
  // No model of a fresh service calls tools, so no run waits for outputs.
  Threads_submitToolOutputs: 409,
  // The built-in model stores no responses.
  Responses_find: 404,
  Responses_delete: 404,
};
/** Operations that need or end the resources of others. */
const LAST = /_(?:revoke|remove|delete)$/;
const OUR_HEADERS = /^(?:x-gatehouse|x-ratelimit|x-request|ratelimit)/;
const OTHER_EMAIL = 'spare@example.com';

let service: TestService;
let org: Org;
let other: Org;
let key: string;
let told: Told[];
let schemas: AnswerSchemas;
/** The real value of each placeholder, once it is known. */
const world: Record<string, string> = {};

beforeAll(async () => {
  // Nothing is sent to the addresses of the examples, which belong to other people.
  service = await startService({
    settings: {
      dummyProvider: 'on',
      webhookPollMs: 3_600_000,
      outboundAllowCidrs: ['127.0.0.0/8'],
      mode: 'development',
    },
  });
  org = await service.createOrg('founder', 'Gatehouse', { provider: false });
  other = await service.createOrg('other-founder', 'Acme', { provider: false });
  key = (await service.createKey(org, { scopes: SCOPES })).key;
  await service.addMember(org, 'ada', 'viewer');
  const document = (await service.call('GET', '/openapi.json')).json<
    Document & { paths: Record<string, Record<string, Operation>> }
  >();
  schemas = new AnswerSchemas(document);
  told = Object.entries(document.paths)
    .flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        id: exampleIdOf(operation.operationId),
        method: method.toUpperCase(),
        path,
        operation,
      })),
    )
    .filter(({ operation }) => !/^Older|V1alpha1$/.test(operation.operationId));
});

afterAll(() => service.stop());

it('each body has an example, and only bodies have one', () => {
  const bodies = told.filter(({ operation }) => operation.requestBody !== undefined).map(({ id }) => id);
  expect(Object.keys(BODY_EXAMPLES).sort()).toEqual(bodies.sort());
});

/** The same operation, requesting another form of answer. */
const VARIANTS: Readonly<Record<string, object>> = {
  Chat_complete: { stream: true },
  Responses_respond: { stream: true },
  GatewayCalls_complete: { stream: true },
  GatewayCalls_respond: { stream: true },
  GatewayCalls_completeBy: { stream: true },
  Process_process: { request: { inputs: [{ text: { role: 'user', content: 'Hello!' } }], stream: true } },
  UsageQuery_query: { format: 'CSV' },
  Audit_list: { format: 'CSV' },
};
const RECORDED = 'docs/openapi.answers.json';

it('a running service accepts each example, and its answer fits the schema', async () => {
  const order = Object.keys(BODY_EXAMPLES);
  const rank = ({ id }: Told): number =>
    (LAST.test(id) ? 10_000 : 0) + (order.includes(id) ? order.indexOf(id) : 5_000);
  const wrong: string[] = [];
  const recorded: Record<string, Record<string, unknown>> = {};
  for (const one of told.toSorted((a, b) => rank(a) - rank(b))) {
    const { id, method, operation } = one;
    await PREPARED[id]?.();
    for (const variant of [{}, ...(VARIANTS[id] === undefined ? [] : [VARIANTS[id]])]) {
      const answer = await send(one, variant);
      const { status } = answer;
      const expected = REFUSED[id] ?? (method === 'HEAD' && status === 204 ? 204 : 200);
      if (status !== expected) wrong.push(`${id}: ${status} ${answer.text}`);
      const type = (answer.headers['content-type'] ?? '').split(';')[0]!;
      const response = operation.responses[String(status)];
      if (response === undefined) wrong.push(`${id}: ${status} is not documented`);
      if (status !== 200) continue;
      const toldHeaders = Object.keys(response?.headers ?? {}).map((name) => name.toLowerCase());
      const untold = Object.keys(answer.headers).filter(
        (name) => OUR_HEADERS.test(name) && !toldHeaders.includes(name),
      );
      wrong.push(...untold.map((name) => `${id}: the header ${name} is not documented`));
      if (answer.text !== '' && response?.content?.[type] === undefined) wrong.push(`${id}: ${type} is not documented`);
      if (type === 'application/json') wrong.push(...schemas.mistakesOf(id, answer.json()));
      if (answer.text !== '') recorded[id] = { ...recorded[id], [type]: asExample(type, answer) };
      if (variant !== VARIANTS[id]) LEARNED[id]?.(answer);
    }
  }
  expect(wrong).toEqual([]);
  if (process.env['UPDATE_CONTRACTS'] === '1') writeFileSync(RECORDED, `${JSON.stringify(recorded, null, 1)}\n`);
});

it('each form of each answer has an example, which fits its schema and shows no secret', () => {
  const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Record<string, Record<string, unknown>>;
  const wrong = told.flatMap(({ id, operation }) => {
    const forms = Object.keys(operation.responses['200']?.content ?? {}).filter(() => REFUSED[id] === undefined);
    const missing = forms.filter((form) => recorded[id]?.[form] === undefined);
    const json = recorded[id]?.['application/json'];
    return [
      ...missing.map((form) => `${id} has no example of ${form}: record it with UPDATE_CONTRACTS=1`),
      ...(json === undefined ? [] : schemas.mistakesOf(id, json)),
    ];
  });
  expect(wrong).toEqual([]);
  expect(schemas.mistakesOf('Budgets_delete', { more: 1 })).toEqual([expect.stringContaining('additional properties')]);
  expect(readFileSync(RECORDED, 'utf8')).not.toMatch(/127\.0\.0\.1|_gh_\w{20}|inv_\w{20}|whsec_\w{20}|eyJ\w{20}/);
});

function send({ id, method, path, operation }: Told, variant: object): Promise<Answer> {
  const body = operation.requestBody?.content['application/json']?.example;
  const target = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(valueOf(name)));
  return service.call(method, target, {
    headers: headersOf(id, operation),
    ...(body === undefined ? {} : { body: { ...(replaced(body) as object), ...variant } }),
  });
}

const valueOf = (name: string): string => world[name] ?? PLACEHOLDERS[name as keyof typeof PLACEHOLDERS];

/** The example with real ids for its placeholders. */
function replaced(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(replaced);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([name, value]) => [
      name,
      Object.hasOwn(PLACEHOLDERS, name) && value === PLACEHOLDERS[name as keyof typeof PLACEHOLDERS]
        ? valueOf(name)
        : replaced(value),
    ]),
  );
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** The caller, where it is not the org's owner or its key. */
const CALLERS: Readonly<Record<string, () => Record<string, string>>> = {
  Orgs_create: () => bearer(service.dashboardToken({ user: 'newcomer' })),
  Orgs_delete: () => bearer(service.dashboardToken({ user: other.user, tenant: other.tenantId })),
  Invitations_accept: () =>
    bearer(service.dashboardToken({ user: 'grace', claims: { email: 'grace@example.com', email_verified: true } })),
};

function headersOf(id: string, { security }: Operation): Record<string, string> {
  const known = CALLERS[id];
  if (known !== undefined) return known();
  const schemes = security.flatMap((scheme) => Object.keys(scheme));
  if (schemes.includes('gatewayToken')) return bearer(world['gatewayToken'] ?? '');
  if (schemes.includes('dashboardToken'))
    return bearer(service.dashboardToken({ user: org.user, tenant: org.tenantId }));
  if (schemes.includes('secretKey') && !schemes.includes('sealedToken') && id !== 'OauthToken_mint')
    return { 'x-api-key': key, ...(id === 'UsageTokens_limits' ? { 'x-human-id': 'user_123' } : {}) };
  return {};
}

const asOwner = <T>(route: string, body: object): Promise<T> =>
  service.asUser<T>({ user: org.user, tenant: org.tenantId }, route, body);

async function newProvider(name: string): Promise<string> {
  const { provider } = await asOwner<{ provider: { providerId: string } }>('llm/providers/create', {
    name,
    kind: 'openai_compatible',
    baseUrl: service.upstream.baseUrl,
    credentials: { apiKey: 'sk-test' },
    models: ['gpt-4o-mini'],
  });
  return provider.providerId;
}

async function newGateway(name: string): Promise<{ id: string; token: string }> {
  const models = ['gpt-4o-mini', 'text-embedding-3-small', 'dummy'];
  const { gateway, token } = await asOwner<{ gateway: { id: string }; token: string }>('gateways/create', {
    name,
    providers: [{ provider: 'openai', apiKey: 'sk-test', models, endpoint: service.upstream.baseUrl }],
  });
  return { id: gateway.id, token };
}

async function newUsageToken(): Promise<void> {
  await service.call('POST', '/v1/usage/token', { headers: { 'x-api-key': key }, body: { human: 'user_123' } });
}

/** The gateway that was called, kept while another one is deleted. */
let reachable = '';

/** The gateway's token, kept while one of a human is revoked. */
let gatewayTokenId = '';

/** Resources that an operation needs and no earlier example creates. */
const PREPARED: Readonly<Record<string, () => Promise<void>>> = {
  TenantUsageTokens_list: newUsageToken,
  TenantUsageTokens_revoke: async () => {
    await newUsageToken();
    const { tokens } = await asOwner<{ tokens: { tokenId: string }[] }>('usage/list-tokens', {});
    gatewayTokenId = world['tokenId'] ?? '';
    world['tokenId'] = tokens[0]?.tokenId ?? '';
  },
  Providers_test: async () => {
    world['providerId'] = await newProvider('reachable');
  },
  // The provider that routes lead to can't be deleted.
  Providers_delete: async () => {
    world['providerId'] = await newProvider('spare');
  },
  GatewayCalls_complete: async () => {
    const { id, token } = await newGateway('reachable');
    world['gatewayId'] = id;
    world['gatewayToken'] = token;
  },
  // Deleting the human deleted the human's budgets.
  Budgets_delete: async () => {
    const { budget } = await asOwner<{ budget: { budgetId: string } }>('budgets/set', BODY_EXAMPLES['Budgets_set']!);
    world['budgetId'] = budget.budgetId;
  },
  Gateways_delete: async () => {
    reachable = world['gatewayId'] ?? '';
    world['gatewayId'] = (await newGateway('spare-gateway')).id;
  },
  GatewayTokens_delete: () => {
    world['gatewayId'] = reachable;
    return Promise.resolve();
  },
  GatewayCallLog_get: () =>
    eventually(async () => {
      const { calls } = await asOwner<{ calls: { callId: string }[] }>('gateways/list-calls', {
        gatewayId: world['gatewayId'],
      });
      world['callId'] = calls[0]?.callId ?? '';
      return calls.length > 0;
    }),
  Webhooks_redeliver: async () => {
    const { delivery } = await asOwner<{ delivery: { deliveryId: string } }>('webhooks/test', {
      endpointId: world['endpointId'],
    });
    world['deliveryId'] = delivery.deliveryId;
  },
  Invitations_revoke: async () => {
    const { invitation } = await asOwner<{ invitation: { id: string } }>('orgs/invite-member', {
      email: OTHER_EMAIL,
      role: 'viewer',
    });
    world['invitationId'] = invitation.id;
  },
};

/** The values of an answer that later examples need. */
const LEARNED: Readonly<Record<string, (answer: Answer) => void>> = {
  Threads_send: (answer) => learn('runId', answer.json<{ runId: string }>().runId),
  Contexts_create: (answer) => learn('context', answer.json<{ id: string }>().id),
  Contexts_addMessage: (answer) => learn('message', answer.json<{ id: string }>().id),
  Keys_create: (answer) => learn('keyId', answer.json<{ result: { keyId: string } }>().result.keyId),
  Budgets_set: (answer) => learn('budgetId', answer.json<{ budget: { budgetId: string } }>().budget.budgetId),
  Providers_create: (answer) =>
    learn('providerId', answer.json<{ provider: { providerId: string } }>().provider.providerId),
  Routes_create: (answer) => learn('routeId', answer.json<{ route: { routeId: string } }>().route.routeId),
  GatewayTokens_create: (answer) => learn('tokenId', answer.json<{ id: string }>().id),
  Invitations_invite: (answer) => learn('token', answer.json<{ token: string }>().token),
  TenantUsageTokens_revoke: () => learn('tokenId', gatewayTokenId),
  Tenants_create: (answer) => learn('tenantId', answer.json<{ tenant: { id: string } }>().tenant.id),
  Webhooks_create: (answer) =>
    learn('endpointId', answer.json<{ endpoint: { endpointId: string } }>().endpoint.endpointId),
};

function learn(name: string, value: string): void {
  world[name] = value;
}
