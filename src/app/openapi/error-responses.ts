import type { AccessDeclaration } from '../../identity/index.js';
import {
  ANSWER_CODES,
  CREDENTIAL_CODES,
  ERROR_CODES,
  FAULT_GUIDE,
  FAULT_STATUS,
  Fault,
  type CredentialCodeName,
  type ErrorCode,
  type FaultKind,
} from '../../platform/errors/index.js';
import {
  OWNER_OF_PATH,
  PLATFORM_DIALECT,
  REFUSES_EXTENSION,
  openApiSchema,
  type DeclaredDialect,
  type Dialect,
  type Refusal,
} from '../../platform/http/index.js';
import { headersOf } from './headers.js';
import type { Operation, ToldRoute } from './operations.js';

type Responses = Operation['responses'];

const IDEMPOTENCY_KEY = 'Idempotency-Key';
const EXAMPLE_REQUEST_ID = 'req_0123456789';

/** Tells of each route every status that it can refuse with: its codes, what they mean and what to do. */
export function tellErrors({ operation, route }: ToldRoute): void {
  const { access, dialect } = route;
  if (access === undefined) return;
  const own = (operation[REFUSES_EXTENSION] as readonly Refusal[] | undefined) ?? [];
  Reflect.deleteProperty(operation, REFUSES_EXTENSION);
  const byStatus = new Map<number, Refusal[]>();
  for (const refusal of new Set([...refusalsOf(access, operation), ...own])) {
    for (const status of statusesOf(refusal)) byStatus.set(status, [...(byStatus.get(status) ?? []), refusal]);
  }
  const spoken = spokenBy(dialect);
  const { errorSchema, passedErrorSchema = errorSchema } = spoken;
  const schema = openApiSchema(own.includes('upstream_unreachable') ? passedErrorSchema : errorSchema, 'output');
  const responses = operation.responses as Record<string, Responses[string]>;
  for (const [status, refusals] of [...byStatus].toSorted(([one], [other]) => one - other)) {
    responses[String(status)] = {
      description: refusals.map((refusal) => lineOf(refusal, status)).join('\n'),
      headers: headersOf(access, status, false),
      content: {
        'application/json': {
          schema,
          example: exampleOf(spoken, refusals, status),
        },
      },
      'x-error-codes': refusals,
    } as Responses[string];
  }
}

/** What follows from how a route is declared. */
function refusalsOf(access: AccessDeclaration, operation: Operation): Refusal[] {
  const { requestBody, parameters = [] } = operation;
  const isIn = (place: string): boolean => parameters.some((parameter) => 'in' in parameter && parameter.in === place);
  const hasKey = parameters.some((parameter) => 'name' in parameter && parameter.name === IDEMPOTENCY_KEY);
  return [
    ...(requestBody !== undefined || isIn('query') || isIn('path') || isIn('header')
      ? (['invalid_input'] as const)
      : []),
    ...(requestBody === undefined ? [] : OF_BODIES),
    ...(isIn('path') ? (['not_found'] as const) : []),
    ...(hasKey ? (['conflict'] as const) : []),
    ...('public' in access ? [] : ofCredentials(access.rule)),
    'internal',
  ];
}

const OF_BODIES: readonly Refusal[] = [
  'nested_too_deep',
  'too_many_fields',
  'body_timeout',
  'payload_too_large',
  'too_many_values',
  'unsupported_media_type',
];

function ofCredentials(rule: Extract<AccessDeclaration, { rule: unknown }>['rule']): Refusal[] {
  const isPublishable = rule.endUser !== undefined;
  const codes = (Object.keys(CREDENTIAL_CODES) as CredentialCodeName[]).filter(
    (code) => code !== 'publishable_key_needs_user_token' || isPublishable,
  );
  return [
    ...(rule.gatewayToken === undefined ? codes : (['invalid_authentication_token'] as const)),
    'permission_denied',
    // Of the header that says in which tenant.
    ...(rule.dashboardUser === undefined ? [] : (['conflict'] as const)),
    'rate_limited',
    'concurrency_limit_exceeded',
    'unavailable',
  ];
}

function isKind(refusal: Refusal): refusal is FaultKind {
  return Object.hasOwn(FAULT_STATUS, refusal);
}

function statusesOf(refusal: Refusal): readonly number[] {
  if (isKind(refusal)) return [FAULT_STATUS[refusal]];
  if (isOf(CREDENTIAL_CODES, refusal)) return [FAULT_STATUS.unauthenticated];
  if (isOf(ANSWER_CODES, refusal)) return [ANSWER_CODES[refusal].status];
  return [...new Set(ERROR_CODES[refusal].kinds.map((kind) => FAULT_STATUS[kind]))];
}

function isOf<Codes extends object>(codes: Codes, name: string): name is Extract<keyof Codes, string> {
  return Object.hasOwn(codes, name);
}

function lineOf(refusal: Refusal, status: number): string {
  const { meaning, remedy } = guideOf(refusal);
  const name = isKind(refusal) ? kindName(refusal, status) : `\`${refusal}\``;
  return `- ${name}: ${meaning} ${remedy}`.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1');
}

function guideOf(refusal: Refusal): { readonly meaning: string; readonly remedy: string } {
  if (isKind(refusal)) return FAULT_GUIDE[refusal];
  if (isOf(CREDENTIAL_CODES, refusal)) {
    const { meaning, message } = CREDENTIAL_CODES[refusal];
    return { meaning, remedy: message };
  }
  return isOf(ANSWER_CODES, refusal) ? ANSWER_CODES[refusal] : ERROR_CODES[refusal];
}

/** As the platform surface names it. */
function kindName(kind: FaultKind, status: number): string {
  const { error } = PLATFORM_DIALECT.renderError(new Fault(kind, ''), '') as { error: { status: string } };
  return `${status} \`${error.status}\``;
}

function spokenBy(dialect: DeclaredDialect | undefined): Dialect {
  return dialect === undefined || dialect === OWNER_OF_PATH ? PLATFORM_DIALECT : dialect;
}

function exampleOf(dialect: Dialect, refusals: readonly Refusal[], status: number): object {
  const kind =
    refusals.find(isKind) ??
    (Object.keys(FAULT_STATUS) as FaultKind[]).find((one) => FAULT_STATUS[one] === status) ??
    'internal';
  const code = refusals.find((refusal): refusal is ErrorCode => !isKind(refusal) && !isOf(ANSWER_CODES, refusal));
  const fields = kind === 'invalid_input' ? [{ field: 'name', reason: 'is required' }] : [];
  const message =
    kind === 'invalid_input'
      ? 'name: is required'
      : code !== undefined && isOf(CREDENTIAL_CODES, code)
        ? CREDENTIAL_CODES[code].message
        : guideOf(kind).meaning;
  const withCode = kind === 'unauthenticated' && code !== undefined ? { code } : {};
  return dialect.renderError(new Fault(kind, message, { fields, ...withCode }), EXAMPLE_REQUEST_ID);
}
