import { z } from 'zod';
import type { AnswerCode } from '../platform/errors/index.js';
import {
  OPENAI_DIALECT,
  openaiDetailsSchema,
  openaiErrorSchema,
  passedErrorSchema,
  type Dialect,
} from '../platform/http/index.js';

/** The same for each bad token: the answer must not tell whether it was once good, or is good elsewhere. */
const INVALID_TOKEN = {
  message: 'Invalid authentication token',
  type: 'authentication_error',
  code: 'invalid_authentication_token' satisfies AnswerCode,
  param: null,
};

interface OpenaiError {
  readonly error: object;
  readonly details?: object;
}

/** OpenAI's, for callers of gateways. */
export const GATEWAY_DIALECT: Dialect = {
  name: 'gateway',
  prefixes: ['/gateways'],
  errorSchema: z
    .strictObject({ error: openaiErrorSchema, details: openaiDetailsSchema })
    .meta({ 'x-name': 'GatewayError' }),
  passedErrorSchema: z
    .strictObject({ error: passedErrorSchema, details: openaiDetailsSchema })
    .meta({ 'x-name': 'GatewayCallError' }),
  renderError: (fault, requestId) => {
    if (fault.kind === 'unauthenticated') return { error: INVALID_TOKEN };
    const { error, details } = OPENAI_DIALECT.renderError(fault, requestId) as OpenaiError;
    return { error, ...(details === undefined ? {} : { details }) };
  },
};
