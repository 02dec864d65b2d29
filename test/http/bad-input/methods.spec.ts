/** A path that is served with other methods answers 405 in the path's dialect, with those methods in `Allow`. */
import { sharedService, type SharedService } from '../../support/shared-service.js';

let service: SharedService;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

const message = expect.stringMatching(/does not allow/) as string;
const PLATFORM = {
  error: { code: 405, status: 'UNIMPLEMENTED', message, details: [], requestId: expect.any(String) as string },
};
const OPENAI_ERROR = { message, type: 'invalid_request_error', param: null, code: null };
const OPENAI = { type: 'invalid_request_error', message, error: OPENAI_ERROR };
const PROCESS = { error: { message, statusCode: 405, statusText: 'Method Not Allowed' } };

it.each([
  ['GET', '/api/v1/budgets/set', 'POST', PLATFORM],
  ['DELETE', '/api/v1/budgets/set/', 'POST', PLATFORM],
  ['PUT', '/health/live', 'GET, HEAD', PLATFORM],
  ['DELETE', '/api/v1/gateways/gateway_1/tokens', 'GET, HEAD, POST', PLATFORM],
  ['GET', '/api/v1/gateways/gateway_1/tokens/token_1', 'DELETE, PATCH', PLATFORM],
  ['PATCH', '/v1/chat/completions', 'POST', OPENAI],
  ['POST', '/v1/models?page=1', 'GET, HEAD', OPENAI],
  ['PUT', '/v1/models/a/b', 'GET, HEAD', OPENAI],
  ['DELETE', '/v1/usage/token', 'POST, PUT', OPENAI],
  // The older path of the same route, in the same dialect.
  ['DELETE', '/api/v1/usage/token', 'POST, PUT', OPENAI],
  ['GET', '/gateways/gateway_1/v1/chat/completions', 'POST', { error: OPENAI_ERROR }],
  ['GET', '/api/v1/oauth/token', 'POST', { error: { type: 'invalid_request', message } }],
  ['PUT', '/api/v1/process', 'HEAD, POST', PROCESS],
  ['POST', '/api/v1alpha1/ping', 'GET, HEAD', PROCESS],
])('%s %s is refused, and Allow says %s', async (method, path, allow, body) => {
  const answer = await service.call(method, path);
  expect({ status: answer.status, allow: answer.headers['allow'], body: answer.json() }).toEqual({
    status: 405,
    allow,
    body,
  });
});

it.each([
  ['GET', '/api/v1/budgets/nothing'],
  ['GET', '/api/v1/budgets/set/more'],
  ['POST', '/v1/nothing'],
])('%s %s stays 404, without `Allow`', async (method, path) => {
  const answer = await service.call(method, path);
  expect([answer.status, answer.headers['allow']]).toEqual([404, undefined]);
});
