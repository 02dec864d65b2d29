import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingHttpHeaders } from 'node:http';
import { randomBase62 } from '../crypto/index.js';

/** What the log lines of one request share. Set as it becomes known; holds ids alone, and where the request waits. */
export interface RequestContext {
  readonly requestId: string;
  /** Where it came from, as trusted proxies tell it. */
  readonly address: string;
  /** Who asked, as the audit log names them. */
  subject?: string;
  /** For whom, as a keyed hash. */
  human?: string;
  tenantId?: string;
  /** Of the trace that the request belongs to; absent: none was begun. */
  traceId?: string | undefined;
  /** What calls to providers carry of it, names and values in turn. */
  traceHeaders?: readonly string[];
  /** Whose part of what tenants share it takes; absent: its tenant's. */
  shareOf?: string;
  /** It has had its turn among refusals: where it is refused, the answer waits no more. */
  hasTurn?: boolean;
  /** Set while it waits for that turn; for a caller who leaves. */
  leaveLine?: () => void;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** Runs everything that `work` starts with this context. */
export function runWithRequestContext(context: RequestContext, work: () => void): void {
  storage.run(context, work);
}

export function currentRequestContext(): RequestContext | undefined {
  return storage.getStore();
}

/** Random for each process, so that ids of two processes never meet. */
const PREFIX = `req_${randomBase62(16)}_`;
let count = 0;

/** Plain, and no key or token: the id stands in logs, in the ledger and in answers. */
const CALLERS_ID = /^(?!.*(?:(?:sk|pk|gw|inv|whsec|aisbreaker)_|sk-|eyJ))[A-Za-z0-9._:-]{1,128}$/;

/** The caller's `x-request-id` if it is fit to stand in a log, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && CALLERS_ID.test(given) ? given : PREFIX + (count++).toString(36);
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined where the framework refused the request before any hook ran (a malformed URL). */
    context: RequestContext | undefined;
    /** Of the route that the request reached, as it is declared; undefined where it reached none. */
    routePath: string | undefined;
  }
}
