/**
 * The actions of clients, operators and people at the dashboard on a service, wherever it runs. Does not load the service
 * itself.
 */
import http, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import path from 'node:path';
import type pg from 'pg';
import type { Role, Scope } from '../../src/identity/index.js';
import type { OpenaiUpstream } from './openai-upstream.js';
import type { TestDatabase } from './postgres.js';
import { rowsOf, seedTenant } from './sql.js';
import type { TestIssuer } from './tokens.js';

export const PROVIDER_SECRET = 'sk-provider-secret-0123456789';
/** V8's compiled code of the build serves the next process too: a run starts a hundred of them. */
export const COMPILE_CACHE = path.join(process.cwd(), 'node_modules/.cache/gatehouse-tests');

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body. */
  json<T = Record<string, unknown>>(): T;
}

export interface CallOptions {
  readonly headers?: OutgoingHttpHeaders;
  /** Text and bytes are sent unchanged, anything else as JSON. */
  readonly body?: unknown;
}

export interface Identity {
  readonly user: string;
  /** The `tenant_id` claim; absent: no claim. */
  readonly tenant?: string | undefined;
  /** Only the claim: the membership row decides what the user may do. */
  readonly role?: string;
  /** Any other claims; undefined removes one. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

export interface Org {
  readonly orgId: string;
  readonly tenantId: string;
  /** Its owner. */
  readonly user: string;
}

export interface KeyWishes {
  readonly name?: string;
  /** Absent: the service's default scopes. */
  readonly scopes?: readonly Scope[];
  readonly requestsPerMinute?: number;
  readonly expiresAt?: Date;
}

export interface MadeKey {
  readonly keyId: string;
  readonly key: string;
}

/** The actions of a client, an operator and a person at the dashboard on a service. */
export class ServiceClient {
  constructor(
    readonly baseUrl: string,
    readonly database: TestDatabase,
    readonly issuer: TestIssuer,
    readonly upstream: OpenaiUpstream,
  ) {}

  /** Sends one request and reads the whole answer. */
  call(method: string, target: string, { headers = {}, body }: CallOptions = {}): Promise<Answer> {
    const asIs = typeof body === 'string' || Buffer.isBuffer(body) || body === undefined;
    const bytes = asIs ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = http.request(new URL(target, this.baseUrl), {
        method,
        headers: { ...(bytes === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      });
      request.on('error', reject);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const { statusCode = 0, headers: answered } = response;
          resolve({ status: statusCode, headers: answered, text, json: <T>() => JSON.parse(text) as T });
        });
      });
      request.end(bytes);
    });
  }

  /** An ID token as Firebase would issue it, valid for an hour. */
  dashboardToken({ user, tenant, role, claims = {} }: Identity): string {
    return this.issuer.sign({ sub: user, user_id: user, tenant_id: tenant, role, ...claims });
  }

  /** POSTs to the platform surface with a person's token. */
  async asUser<T = Record<string, unknown>>(identity: Identity, route: string, body: object = {}): Promise<T> {
    const headers = { authorization: `Bearer ${this.dashboardToken(identity)}` };
    const answer = await this.call('POST', `/api/v1/${route}`, { headers, body });
    if (answer.status !== 200) throw new Error(`${route} answered ${answer.status}: ${answer.text}`);
    return answer.json<T>();
  }

  /** Creates a person's first org, as a client does. */
  async createOrg(user: string, name = `Org of ${user}`): Promise<Org> {
    const { org } = await this.asUser<{ org: { id: string; tenantId: string } }>({ user }, 'orgs/create', { name });
    return { orgId: org.id, tenantId: org.tenantId, user };
  }

  /** Creates an org by SQL, for a service that must not notify Firebase. */
  async seedOrg(): Promise<Org> {
    const { orgId, tenantId, ownerId } = await seedTenant(this.database.superuserUrl);
    return { orgId, tenantId, user: ownerId };
  }

  /** Adds a person to an org by SQL, as there is no route for it yet. */
  async addMember({ orgId }: Org, user: string, role: Role): Promise<void> {
    await this.sql('INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING', [user]);
    await this.sql('INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, $3)', [orgId, user, role]);
  }

  /** Creates a secret key as the owner. */
  async createKey({ tenantId, user }: Org, wishes: KeyWishes = {}): Promise<MadeKey> {
    const { name = 'A key', scopes, requestsPerMinute, expiresAt } = wishes;
    const { result } = await this.asUser<{ result: MadeKey }>({ user, tenant: tenantId }, 'api-keys/create', {
      name,
      ...(scopes === undefined ? {} : { permissions: scopes }),
      ...(requestsPerMinute === undefined ? {} : { rate_limit: { requests_per_minute: requestsPerMinute } }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt.toISOString() }),
    });
    return { keyId: result.keyId, key: result.key };
  }

  /** The rows of one statement, run by a superuser. */
  sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return rowsOf<Row>(this.database.superuserUrl, text, values);
  }
}
