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
};

const OF_ALL = ['x-request-id'];
const OF_WINDOWS = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'RateLimit-Policy', 'RateLimit'];
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
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

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

/** The headers by which a secret key says for whom it calls, where a human can call the route. */
export function humanHeaders(access: AccessDeclaration, { parameters = [] }: Operation): Parameter[] {
  if ('public' in access) return [];
  const { secretKey, impersonation, usageToken } = access.rule;
  const known = new Set(parameters.map((parameter) => ('name' in parameter ? parameter.name.toLowerCase() : '')));
  return [
    ...(impersonation === undefined ? [] : [ON_BEHALF_OF]),
    ...(secretKey !== undefined && usageToken !== undefined ? [HUMAN_ID, ENCODING] : []),
  ].filter((parameter) => 'name' in parameter && !known.has(parameter.name.toLowerCase()));
}
