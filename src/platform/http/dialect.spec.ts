import { z } from 'zod';
import { CREDENTIAL_CODES, FAULT_STATUS, Fault, type CredentialCodeName, type FaultKind } from '../errors/index.js';
import type { Dialect } from './dialect.js';
import { Dialects } from './dialects.js';
import { OPENAI_DIALECT } from './openai.dialect.js';
import { PLATFORM_DIALECT } from './platform.dialect.js';

/** Written by hand: status, gRPC's name, OpenAI's type and code. */
const EXPECTED: Readonly<
  Record<FaultKind, readonly [status: number, canonical: string, type: string, code: string | null]>
> = {
  invalid_input: [400, 'INVALID_ARGUMENT', 'invalid_request_error', null],
  unauthenticated: [401, 'UNAUTHENTICATED', 'authentication_error', 'invalid_credential'],
  permission_denied: [403, 'PERMISSION_DENIED', 'permission_error', 'insufficient_permissions'],
  not_found: [404, 'NOT_FOUND', 'invalid_request_error', null],
  method_not_allowed: [405, 'UNIMPLEMENTED', 'invalid_request_error', null],
  already_exists: [409, 'ALREADY_EXISTS', 'invalid_request_error', null],
  conflict: [409, 'ABORTED', 'invalid_request_error', null],
  payload_too_large: [413, 'INVALID_ARGUMENT', 'invalid_request_error', 'request_too_large'],
  unsupported_media_type: [415, 'INVALID_ARGUMENT', 'invalid_request_error', null],
  rate_limited: [429, 'RESOURCE_EXHAUSTED', 'rate_limit_error', 'rate_limit_exceeded'],
  usage_limit_busy: [429, 'RESOURCE_EXHAUSTED', 'usage_limit_busy', 'usage_limit_busy'],
  usage_limit_exceeded: [429, 'RESOURCE_EXHAUSTED', 'usage_limit_exceeded', 'usage_limit_exceeded'],
  internal: [500, 'INTERNAL', 'server_error', null],
  upstream_failed: [502, 'UNAVAILABLE', 'upstream_error', null],
  unavailable: [503, 'UNAVAILABLE', 'server_error', 'unavailable'],
  upstream_timeout: [504, 'DEADLINE_EXCEEDED', 'upstream_timeout', 'upstream_timeout'],
};

const CASES = (Object.keys(FAULT_STATUS) as FaultKind[]).map((kind) => [kind, ...EXPECTED[kind]] as const);

describe('the platform dialect', () => {
  it.each(CASES)('tells %s with its status and canonical name', (kind, status, canonical) => {
    const fault = new Fault(kind, 'What happened.', { fields: [{ field: 'a.b', reason: 'is odd' }] });
    expect(fault.status).toBe(status);
    expect(PLATFORM_DIALECT.renderError(fault, 'req_1')).toEqual({
      error: {
        code: status,
        status: canonical,
        message: 'What happened.',
        details: [
          { field: 'a.b', reason: 'is odd' },
          ...(kind === 'unauthenticated' ? [{ reason: 'invalid_credential' }] : []),
        ],
        requestId: 'req_1',
      },
    });
  });

  it.each(Object.keys(CREDENTIAL_CODES) as CredentialCodeName[])(
    'tells why a credential was refused as a reason: %s',
    (code) => {
      const fault = new Fault('unauthenticated', 'What happened.', { code });
      expect(PLATFORM_DIALECT.renderError(fault, 'r')).toMatchObject({
        error: { code: 401, details: [{ reason: code }] },
      });
    },
  );

  it('tells no detail where no field is at fault', () => {
    expect(PLATFORM_DIALECT.renderError(new Fault('internal', 'x'), 'r')).toMatchObject({ error: { details: [] } });
  });
});

describe("OpenAI's dialect", () => {
  it.each(CASES)('tells %s with its type and code', (kind, _status, _canonical, type, code) => {
    const fault = new Fault(kind, 'What happened.');
    expect(OPENAI_DIALECT.renderError(fault, 'req_1')).toEqual({
      type: kind === 'invalid_input' ? 'invalid_input' : type,
      message: 'What happened.',
      error: { message: 'What happened.', type, param: null, code },
    });
  });

  it("names the first field at fault as param, and the fault's own code before the kind's", () => {
    const fields = [
      { field: 'model', reason: 'is unknown' },
      { field: 'n', reason: 'is odd' },
    ];
    const rendered = OPENAI_DIALECT.renderError(
      new Fault('unauthenticated', 'x', { fields, code: 'model_not_found' }),
      'r',
    );
    expect(rendered).toMatchObject({ error: { param: 'model', code: 'model_not_found' } });
  });
});

describe('no dialect', () => {
  it.each([PLATFORM_DIALECT, OPENAI_DIALECT])('tells what is for the log alone: $name', (dialect) => {
    const fault = new Fault('unavailable', 'Try again.', { cause: new Error('password of db.internal is hunter2') });
    expect(JSON.stringify(dialect.renderError(fault, 'r'))).not.toContain('hunter2');
  });
});

describe('a path that no controller serves', () => {
  const named = (name: string, ...prefixes: string[]): Dialect => ({
    name,
    prefixes,
    errorSchema: z.unknown(),
    renderError: () => ({ name }),
  });

  const dialects = new Dialects();
  dialects.register(OPENAI_DIALECT);
  dialects.register(named('sealed', '/api/v1/process', '/api/v1/oauth/token'));
  dialects.register(named('gateways', '/gateways'));

  it.each([
    ['/', 'platform'],
    ['', 'platform'],
    ['*', 'platform'],
    ['/v1', 'openai'],
    ['/v1/', 'openai'],
    ['/v1?a=/gateways', 'openai'],
    ['/v1/models/%zz', 'openai'],
    ['/v10', 'platform'],
    ['/api/v1', 'platform'],
    ['/api/v1/keys', 'platform'],
    ['/api/v1/process', 'sealed'],
    ['/api/v1/process/again', 'sealed'],
    ['/api/v1/processes', 'platform'],
    ['/api/v1/oauth/token?x', 'sealed'],
    ['/api/v1/oauth', 'platform'],
    ['/gateways/g-1/v1/models', 'gateways'],
    ['//evil.example/v1/models', 'platform'],
  ])('%j is answered in the dialect of the longest prefix: %s', (url, name) => {
    expect(dialects.ofPath(url).name).toBe(name);
  });

  it('has one owner: a second dialect can not claim its prefix, the same one can say so again', () => {
    expect(() => dialects.register(named('other', '/gateways'))).toThrow(/gateways and other both claim \/gateways/);
    expect(() => dialects.register(OPENAI_DIALECT)).not.toThrow();
  });
});
