/** The calls of a tenant's server and a human's app to the usage routes. */
import type { OutgoingHttpHeaders } from 'node:http';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import type { Answer, MadeKey, ServiceClient } from '../../support/service.js';

export interface Limit {
  readonly type: string;
  readonly value: number | null;
}

export interface TokenWishes {
  readonly limits?: readonly Limit[];
  readonly ttl_seconds?: number;
}

/** A tenant's server, which uses its secret key for everything. */
export class UsageServer {
  constructor(
    readonly client: ServiceClient,
    readonly key: string,
    readonly prefix = '/v1/usage',
  ) {}

  call(method: string, route: string, body?: unknown, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return this.client.call(method, `${this.prefix}/${route}`, {
      headers: { 'x-api-key': this.key, ...headers },
      ...(body === undefined ? {} : { body }),
    });
  }

  async token(human: string, wishes: TokenWishes = {}): Promise<string> {
    const { token } = (await good(this.call('POST', 'token', { human, ...wishes }))).json<{ token: string }>();
    return token;
  }

  async setLimits(human: string, limits: readonly Limit[]): Promise<void> {
    await good(this.call('PUT', 'token', { human, limits }));
  }

  async limits(human: string): Promise<Limit[]> {
    return (await good(this.call('GET', 'limits', undefined, naming(human)))).json<Limit[]>();
  }

  /** Null: no token is live. */
  async secondsLeft(human: string): Promise<number | null> {
    const answer = await this.call('POST', 'token/check', { human });
    return answer.status === 404 ? null : answer.json<{ ttl_seconds: number }>().ttl_seconds;
  }

  async revoke(human: string): Promise<void> {
    await good(this.call('POST', 'token/revoke', { human }));
  }

  async updateTtl(human: string, seconds: number): Promise<void> {
    await good(this.call('POST', 'token/update_ttl', { human, ttl_seconds: seconds }));
  }
}

async function good(answer: Promise<Answer>): Promise<Answer> {
  const { status, text } = await answer;
  if (status !== 200) throw new Error(`The answer was ${status}: ${text}`);
  return answer;
}

/** The header that names a human, in any script. */
export const naming = (human: string): OutgoingHttpHeaders => ({
  'x-human-id': encodeURIComponent(human),
  'x-human-id-encoding': 'percent',
});

export const bearer = (token: string): OutgoingHttpHeaders => ({ authorization: `Bearer ${token}` });

/** The answer that an app with this token gets when it asks what is left. */
export const askedLimits = (client: ServiceClient, token: string): Promise<Answer> =>
  client.call('GET', '/v1/usage/limits', { headers: bearer(token) });

export const statusOf = async (client: ServiceClient, token: string): Promise<number> =>
  (await askedLimits(client, token)).status;

export const chat = (client: ServiceClient, headers: OutgoingHttpHeaders): Promise<Answer> =>
  client.call('POST', '/v1/chat/completions', {
    headers,
    body: { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hello' }] },
  });

/** Has the owner revoke a key, or change it. */
export const changeKey = (
  client: ServiceClient,
  { tenantId, user }: { tenantId: string; user: string },
  what: 'revoke' | 'rotate' | 'update',
  { keyId }: MadeKey,
  changes: object = {},
): Promise<Record<string, unknown>> =>
  client.asUser({ user, tenant: tenantId }, `api-keys/${what}`, { keyId, ...changes });

/** The given number of seconds is left, or a few less on a busy machine. */
export function expectNearly(left: number | null, seconds: number): void {
  expect(left).toBeLessThanOrEqual(seconds);
  expect(left).toBeGreaterThan(seconds - 60);
}
