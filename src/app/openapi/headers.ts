import type { AccessDeclaration } from '../../identity/index.js';
import type { Components, Operation, Parameter } from './operations.js';

type Headers = NonNullable<Components['headers']>;

const text = (description: string, example?: string): Headers[string] => ({
  description,
  schema: { type: 'string', ...(example === undefined ? {} : { example }) },
});
const count = (description: string, example: number): Headers[string] => ({
  description,
  schema: { type: 'integer', example },
});

/** The headers of answers, as components. */
export const ANSWER_HEADERS: Headers = {
  'x-request-id': text("The request's id, which the log of the service has.", 'req_0123456789'),
  'X-RateLimit-Limit': count('Requests that the caller may send in a window.', 1000),
  'X-RateLimit-Remaining': count('Requests that are left in this window.', 998),
  'X-RateLimit-Reset': count('When the window ends: Unix time in seconds.', 1767225600),
  'RateLimit-Policy': text('Each window: its name, quota and seconds.', '"key";q=1000;w=60'),
  RateLimit: text('The tighter window: what is left, and the seconds until it ends.', '"key";r=998;t=42'),
  'Retry-After': count('Seconds to wait before the next try.', 1),
  'x-should-retry': text("`false`: trying again does not help. OpenAI's clients read it.", 'false'),
  'WWW-Authenticate': text('`Bearer`, with `error="invalid_token"` where a credential was judged.', 'Bearer'),
  'x-gatehouse-idempotent-replay': text(
    '`true`: the answer is that of an earlier request with this `Idempotency-Key`.',
  ),
  'x-ratelimit-limit-requests': count("The same as `X-RateLimit-Limit`, for OpenAI's clients.", 1000),
  'x-ratelimit-remaining-requests': count('The same as `X-RateLimit-Remaining`.', 998),
  'x-ratelimit-reset-requests': text('How long until the window ends.', '42s'),
  'x-ratelimit-limit-tokens': count('Of the tightest budget of tokens that renews; absent without one.', 100_000),
  'x-ratelimit-remaining-tokens': count('Tokens that are left of that budget.', 99_000),
  'x-ratelimit-reset-tokens': text('How long until that budget renews.', '6h0m0s'),
  'x-gatehouse-provider': text('The provider that answered.', 'openai'),
  'x-gatehouse-model': text('The model that answered.', 'gpt-4o-mini'),
  'x-gatehouse-attempts': count('At which try it answered; 1 is the first.', 1),
  'x-gatehouse-overhead-ms': {
    description: 'Milliseconds that Gatehouse itself took.',
    schema: { type: 'number', example: 2.5 },
  },
  'x-gatehouse-cache': text('`HIT`, or `MISS`; absent where the gateway keeps no answers.', 'MISS'),
  'x-gatehouse-token-jti': text('The id of the token, by which an operator revokes it.'),
};

const OF_ALL = ['x-request-id'];
const OF_WINDOWS = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'RateLimit-Policy', 'RateLimit'];
/** What answers of some paths have besides. */
const OF_PATHS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^\/v1\//, ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests']],
  [
    /\/(?:chat\/completions|embeddings|v1\/responses|process)$/,
    ['x-gatehouse-provider', 'x-gatehouse-model', 'x-gatehouse-attempts', 'x-gatehouse-overhead-ms'],
  ],
  [
    /\/(?:chat\/completions|embeddings|v1\/responses)$/,
    ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  ],
  [/^\/gateways\/.+\/(?:chat\/completions|embeddings|responses)$/, ['x-gatehouse-cache']],
  [/\/oauth\/token$/, ['x-gatehouse-token-jti']],
];
const OF_STATUS: Readonly<Record<number, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  429: ['Retry-After', 'x-should-retry'],
  502: ['x-should-retry'],
  503: ['Retry-After'],
  504: ['x-should-retry'],
};

/** Whether requests of a route are counted in a window. */
function isCounted(access: AccessDeclaration): boolean {
  if ('public' in access) return access.recognises;
  return Object.keys(access.rule).some((kind) => !['sealedToken', 'gatewayToken', 'anonymous'].includes(kind));
}

/** The headers of an answer of a route, as references. */
export function headersOf(access: AccessDeclaration, status: number, isIdempotent: boolean): Headers {
  const names = [
    ...OF_ALL,
    // A credential that was refused has no window.
    ...(isCounted(access) && status !== 401 ? OF_WINDOWS : []),
    ...(OF_STATUS[status] ?? []),
    ...(isIdempotent && status === 200 ? ['x-gatehouse-idempotent-replay'] : []),
  ];
  return references(names);
}

/** What an answer 200 of a path has besides. */
export const headersOfPath = (path: string): Headers =>
  references(OF_PATHS.flatMap(([pattern, names]) => (pattern.test(path) ? names : [])));

const references = (names: readonly string[]): Headers =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

const ON_BEHALF_OF: Parameter = {
  name: 'X-On-Behalf-Of',
  in: 'header',
  required: false,
  description:
    'With a secret key: acts as this human. Needs the scope `users:impersonate`. With any other credential the request is refused.',
  schema: { type: 'string' },
};
const HUMAN_ID: Parameter = {
  name: 'x-human-id',
  in: 'header',
  required: false,
  description: 'With a secret key: the call is charged to the limits of this human. Needs no scope.',
  schema: { type: 'string' },
};
const ENCODING: Parameter = {
  name: 'x-human-id-encoding',
  in: 'header',
  required: false,
  description: '`percent`: the ids in the headers are percent-encoded, for clients that send Latin-1 only.',
  schema: { type: 'string', enum: ['percent'] },
};

const TENANT: Parameter = {
  name: 'x-gatehouse-tenant',
  in: 'header',
  required: false,
  description:
    'The id of the tenant that the caller believes to be in. If the credential is for another one by then, the answer is 409 and ' +
    'nothing is done.',
  schema: { type: 'string' },
};

/**
 * The headers by which a secret key says for whom it calls, where a human can call the route, and the one by which a user says
 * in which tenant.
 */
export function callerHeaders(access: AccessDeclaration, { parameters = [] }: Operation): Parameter[] {
  if ('public' in access) return [];
  const { secretKey, impersonation, usageToken, dashboardUser } = access.rule;
  const known = new Set(parameters.map((parameter) => ('name' in parameter ? parameter.name.toLowerCase() : '')));
  return [
    ...(impersonation === undefined ? [] : [ON_BEHALF_OF]),
    ...(secretKey !== undefined && usageToken !== undefined ? [HUMAN_ID, ENCODING] : []),
    ...(dashboardUser === undefined ? [] : [TENANT]),
  ].filter((parameter) => 'name' in parameter && !known.has(parameter.name.toLowerCase()));
}
