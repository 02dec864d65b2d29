import { FAULT_STATUS, Fault, type FaultKind } from '../errors/index.js';
import { renderError } from './dialect.js';

/** By the contract's sections 2 and 3: status, gRPC's name, OpenAI's type and code. */
const EXPECTED: Readonly<
  Record<FaultKind, readonly [status: number, canonical: string, type: string, code: string | null]>
> = {
  invalid_input: [400, 'INVALID_ARGUMENT', 'invalid_request_error', null],
  unauthenticated: [401, 'UNAUTHENTICATED', 'authentication_error', 'invalid_api_key'],
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
    expect(renderError('platform', fault, 'req_1')).toEqual({
      error: {
        code: status,
        status: canonical,
        message: 'What happened.',
        details: [{ field: 'a.b', reason: 'is odd' }],
        requestId: 'req_1',
      },
    });
  });

  it('tells no detail where no field is at fault', () => {
    expect(renderError('platform', new Fault('internal', 'x'), 'r')).toMatchObject({ error: { details: [] } });
  });
});

describe("OpenAI's dialect", () => {
  it.each(CASES)('tells %s with its type and code', (kind, _status, _canonical, type, code) => {
    const fault = new Fault(kind, 'What happened.');
    expect(renderError('openai', fault, 'req_1')).toEqual({
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
    const rendered = renderError('openai', new Fault('unauthenticated', 'x', { fields, code: 'model_not_found' }), 'r');
    expect(rendered).toMatchObject({ error: { param: 'model', code: 'model_not_found' } });
  });
});

describe('no dialect', () => {
  it.each(['platform', 'openai'] as const)('tells what is for the log alone: %s', (dialect) => {
    const fault = new Fault('unavailable', 'Try again.', { cause: new Error('password of db.internal is hunter2') });
    expect(JSON.stringify(renderError(dialect, fault, 'r'))).not.toContain('hunter2');
  });
});
