/** Every operation of the OpenAPI document, sent with its example, is answered as the document says. */
import { BODY_EXAMPLES, PLACEHOLDERS, exampleIdOf } from '../../../src/app/openapi/examples.js';
import { SCOPES } from '../../../src/identity/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';

interface Operation {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: object }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}
interface Told {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** What can't end well on a fresh service, and why. */
const REFUSED: Readonly<Record<string, number>> = {
  // No model of a fresh service calls tools, so no run waits for outputs.
  Threads_submitToolOutputs: 409,
  // The built-in model stores no responses.
  Responses_find: 404,
  Responses_delete: 404,
};
/** They need what others make, or end what others need. */
const LAST = /_(?:revoke|remove|delete)$/;
const OTHER_EMAIL = 'spare@example.com';

let service: TestService;
let org: Org;
let other: Org;
let key: string;
let told: Told[];
/** The real value of each placeholder, once there is one. */
const world: Record<string, string> = {};

beforeAll(async () => {
  // Nothing is sent to the addresses of the examples, which are other people's.
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
  const document = (await service.call('GET', '/openapi.json')).json<{
    paths: Record<string, Record<string, Operation>>;
  }>();
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

it('has an example for each body, and none for what there is not', () => {
  const bodies = told.filter(({ operation }) => operation.requestBody !== undefined).map(({ id }) => id);
  expect(Object.keys(BODY_EXAMPLES).sort()).toEqual(bodies.sort());
});

it('each example is accepted by a running service', async () => {
  const order = Object.keys(BODY_EXAMPLES);
  const rank = ({ id }: Told): number =>
    (LAST.test(id) ? 10_000 : 0) + (order.includes(id) ? order.indexOf(id) : 5_000);
  const wrong: string[] = [];
  for (const one of told.toSorted((a, b) => rank(a) - rank(b))) {
    await PREPARED[one.id]?.();
    const answer = await send(one);
    const { status } = answer;
    const expected = REFUSED[one.id] ?? (one.method === 'HEAD' && status === 204 ? 204 : 200);
    if (status !== expected) wrong.push(`${one.id}: ${status} ${answer.text}`);
    if (!Object.hasOwn(one.operation.responses, String(status))) wrong.push(`${one.id}: ${status} is not documented`);
    if (status === 200) LEARNED[one.id]?.(answer);
  }
  expect(wrong).toEqual([]);
});

function send({ id, method, path, operation }: Told): Promise<Answer> {
  const body = operation.requestBody?.content['application/json']?.example;
  const target = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(valueOf(name)));
  return service.call(method, target, {
    headers: headersOf(id, operation),
    ...(body === undefined ? {} : { body: replaced(body) }),
  });
}

const valueOf = (name: string): string => world[name] ?? PLACEHOLDERS[name as keyof typeof PLACEHOLDERS];

/** The example with real ids where it has placeholders. */
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

/** Who calls, where it is not the org's owner or its key. */
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

/** The gateway that was called, while another one is deleted. */
let reachable = '';

/** What an operation needs that no example before it makes. */
const PREPARED: Readonly<Record<string, () => Promise<void>>> = {
  Providers_test: async () => {
    world['providerId'] = await newProvider('reachable');
  },
  // The one that routes lead to can't be deleted.
  Providers_delete: async () => {
    world['providerId'] = await newProvider('spare');
  },
  GatewayCalls_complete: async () => {
    const { id, token } = await newGateway('reachable');
    world['gatewayId'] = id;
    world['gatewayToken'] = token;
  },
  // A human's budgets end with the human.
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

/** What later examples need of an answer. */
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
  Tenants_create: (answer) => learn('tenantId', answer.json<{ tenant: { id: string } }>().tenant.id),
  Webhooks_create: (answer) =>
    learn('endpointId', answer.json<{ endpoint: { endpointId: string } }>().endpoint.endpointId),
};

function learn(name: string, value: string): void {
  world[name] = value;
}
