import createClient, { type Middleware } from 'openapi-fetch';
import type { paths } from './schema.js';
import { MovedError, session } from '../session/session.js';
import { apiErrorOf, UnreachableError } from './api-error.js';

const bearer: Middleware = {
  async onRequest({ request }) {
    for (const [name, value] of Object.entries(await session.headers())) request.headers.set(name, value);
    return request;
  },
  async onResponse({ response }) {
    if (response.ok) return undefined;
    throw await refusalOf(response);
  },
  onError({ error }) {
    // fetch rejects with a TypeError where no answer came at all.
    return error instanceof TypeError ? new UnreachableError({ cause: error }) : undefined;
  },
};

/** The public API, typed by its own description. The only credential is the signed-in user's token. */
export const api = createClient<paths>({ baseUrl: '/' });
api.use(bearer);

/** The error of a refusal, after the session has heard what the refusal says of it. */
export async function refusalOf(response: Response): Promise<Error> {
  if (response.status === 401) session.expired();
  const error = await apiErrorOf(response);
  if (response.status !== 409 || !error.fields.some(({ field }) => field === 'x-gatehouse-tenant')) return error;
  await session.moved();
  return new MovedError();
}

/** The body of an answer; refusals have already been thrown. */
export async function answerOf<T>(answering: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answering;
  return data as T;
}

/**
 * Idempotency keys for the requests of one form. The same body goes under the same key, so that a retry after a lost answer
 * creates nothing twice. A changed body is another request.
 */
export class IdempotencyKeys {
  private body = '';
  private key = '';

  of(body: unknown): { 'Idempotency-Key': string } {
    const text = JSON.stringify(body);
    if (text !== this.body) {
      this.body = text;
      this.key = crypto.randomUUID();
    }
    return { 'Idempotency-Key': this.key };
  }
}
