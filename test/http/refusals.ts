/** The required form of errors on each surface. */
import type { Answer, ServiceClient } from '../support/service.js';
import { rowCounts } from './ledger.js';

export interface PlatformError {
  readonly code: number;
  readonly status: string;
  readonly message: string;
  readonly details: readonly { readonly field?: string; readonly reason: string }[];
  readonly requestId: string;
}

const CANONICAL: Readonly<Record<number, RegExp>> = {
  400: /^INVALID_ARGUMENT$/,
  401: /^UNAUTHENTICATED$/,
  403: /^PERMISSION_DENIED$/,
  404: /^NOT_FOUND$/,
  409: /^(ALREADY_EXISTS|ABORTED)$/,
  413: /^INVALID_ARGUMENT$/,
  415: /^INVALID_ARGUMENT$/,
  429: /^RESOURCE_EXHAUSTED$/,
};

/** The platform surface's complete error. */
export function platformError(answer: Answer, status: number): PlatformError {
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  const { error } = answer.json<{ error: PlatformError }>();
  expect(error).toStrictEqual({
    code: status,
    status: expect.stringMatching(CANONICAL[status]!) as string,
    message: expect.stringMatching(/\w/) as string,
    details: expect.any(Array) as [],
    requestId: answer.headers['x-request-id'],
  });
  return error;
}

/** Sends a request that must be refused, and checks that no table has a row more or less. */
export async function expectPlatformRefusal(
  service: ServiceClient,
  send: () => Promise<Answer>,
  status: number,
): Promise<PlatformError> {
  const before = await rowCounts(service);
  const error = platformError(await send(), status);
  expect(await rowCounts(service)).toEqual(before);
  return error;
}

/** The wrong fields, each once, in lowerCamelCase: both spellings are valid on this surface. */
export function fieldsOf({ details }: PlatformError): string[] {
  const inCamelCase = (field: string): string =>
    field.replace(/(?<=[a-z])_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return [...new Set(details.map(({ field = '' }) => inCamelCase(field)))].sort();
}

export interface OpenaiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** The OpenAI surface's complete error: OpenAI's own object, and the two fields of older clients beside it. */
export function openaiError(answer: Answer, status: number): OpenaiError {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status });
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  const { details, ...body } = answer.json<{ type: string; message: string; error: OpenaiError; details?: object }>();
  // Only errors of a limit have details.
  if (details !== undefined) expect(details).toHaveProperty('holder');
  expect(body).toStrictEqual({
    type: expect.stringMatching(/^[a-z_]+$/) as string,
    message: body.error.message,
    error: {
      message: expect.stringMatching(/\w/) as string,
      type: expect.stringMatching(/^[a-z_]+$/) as string,
      param: body.error.param,
      code: body.error.code,
    },
  });
  for (const value of [body.error.param, body.error.code]) if (value !== null) expect(value).toMatch(/\S/);
  return body.error;
}
