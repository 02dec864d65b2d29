import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { Fault } from '../platform/errors/index.js';
import type { Dialect } from '../platform/http/index.js';

function typeOf({ status }: Fault): string {
  if (status === 429) return 'too_many_requests';
  return status >= 500 ? 'server_error' : 'invalid_request';
}

/** AIsBreaker's dialect where tokens are made. */
export const OAUTH_TOKEN_DIALECT: Dialect = {
  name: 'aisbreaker-oauth',
  prefixes: ['/api/v1/oauth', '/api/v1alpha1/oauth'],
  errorSchema: z
    .strictObject({
      error: z.strictObject({
        type: z.enum(['server_error', 'too_many_requests', 'invalid_request']),
        message: z.string(),
      }),
    })
    .meta({ 'x-name': 'OauthTokenError' }),
  renderError: (fault) => ({ error: { type: typeOf(fault), message: fault.message } }),
};

/** AIsBreaker's dialect everywhere else. */
export const PROCESS_DIALECT: Dialect = {
  name: 'aisbreaker',
  prefixes: ['/api/v1/process', '/api/v1/ping', '/api/v1/version', '/api/v1alpha1'],
  errorSchema: z
    .strictObject({
      error: z.strictObject({ message: z.string(), statusCode: z.int(), statusText: z.string() }),
    })
    .meta({ 'x-name': 'ProcessError' }),
  renderError: ({ message, status }) => processError(message, status),
};

export function processError(message: string, status: number): object {
  return { error: { message, statusCode: status, statusText: STATUS_CODES[status] ?? '' } };
}
