import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { buildConnector, Pool, type Dispatcher } from 'undici';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { currentRequestContext } from '../context/index.js';
import { forbidden, GuardedAnswer, JsonCollector } from './outbound-answer.js';
import { Call, type SendFresh } from './outbound-call.js';
import { fetchOver, type Fetch, type FetchOptions } from './outbound-fetch.js';
import { TenantUrlPolicy } from './outbound-policy.js';
import { ONE_CALL_PER_CONNECTION, overseen, TenantPools } from './outbound-pools.js';
import type { JsonAnswer, OutboundCall, OutboundHandler, OutboundPolicy, OutboundRequest } from './outbound-request.js';

const MAX_TENANT_ANSWER_BYTES = 64 * 1024 * 1024;

export type OutboundSettings = Pick<Settings, 'connectTimeoutMs'> &
  Partial<Pick<Settings, 'mode' | 'host' | 'outboundAllowCidrs' | 'providerCalls'>>;

/**
 * The one way out of this service: all that it sends to other systems goes through here. Redirects are never followed, since
 * their target was not judged; a status 3xx is an answer like any other.
 */
@Injectable()
export class OutboundHttp implements OnApplicationShutdown {
  private readonly pools = new Map<string, Pool>();
  /** Pools of connections that serve one call each. */
  private readonly freshPools = new Map<string, Pool>();
  private readonly connectTimeoutMs: number;
  /** As many as there can be calls, so that no call waits for a connection; null: calls have no bound. */
  private readonly connectionsPerOrigin: number | null;
  private readonly tenantUrls: TenantUrlPolicy;
  private readonly tenantPools: TenantPools;

  constructor(@Inject(SETTINGS_TOKEN) settings: OutboundSettings) {
    this.connectTimeoutMs = settings.connectTimeoutMs;
    this.connectionsPerOrigin = settings.providerCalls ?? null;
    this.tenantUrls = new TenantUrlPolicy(settings);
    this.tenantPools = new TenantPools({
      addresses: this.tenantUrls.addresses,
      connectTimeoutMs: settings.connectTimeoutMs,
      connectionsPerOrigin: this.connectionsPerOrigin,
    });
  }

  /**
   * Judges the text of a URL that a tenant is about to store. The addresses behind its name are judged at each connection, so
   * that a URL which passes here may still fail as `forbidden`.
   *
   * @param field The input's name, in lowerCamel.
   * @throws Fault `invalid_input` naming the field.
   */
  assertAllowedUrl(url: string, field: string): URL {
    return this.tenantUrls.assertAllowed(url, field);
  }

  /** Sends a request and hands the answer to `handler` as it comes. Never throws; may fail before it returns. */
  dispatch(asked: OutboundRequest, handler: OutboundHandler): OutboundCall {
    const request = asked.traced === true ? withTrace(asked) : asked;
    if (request.policy === 'tenant') return this.dispatchGuarded(request, handler);
    const call = new Call(handler, request, this.sendFresh);
    send(this.pools.get(request.origin) ?? this.openPool(request.origin, this.pools), request, call);
    return call;
  }

  /**
   * GETs a JSON document. Any status is an answer, a redirect too; `body` is undefined where it is not JSON.
   *
   * @throws OutboundError
   */
  fetchJson(
    url: string,
    options: {
      readonly timeoutMs: number;
      readonly maxBytes: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly policy?: OutboundPolicy;
    },
  ): Promise<JsonAnswer> {
    return new Promise((resolve, reject) => {
      const { policy = 'operator', maxBytes, timeoutMs } = options;
      if (policy === 'tenant') {
        const judgement = this.tenantUrls.judge(url);
        if ('refusal' in judgement) {
          reject(forbidden(new Error(`The URL ${judgement.refusal}.`)));
          return;
        }
      }
      const { origin, pathname, search } = new URL(url);
      const collector = new JsonCollector(maxBytes, resolve, reject);
      collector.call = this.dispatch(
        {
          policy,
          origin,
          path: pathname + search,
          method: 'GET',
          headers: ['accept', 'application/json', ...Object.entries(options.headers ?? {}).flat()],
          firstByteTimeoutMs: timeoutMs,
          idleTimeoutMs: timeoutMs,
          totalTimeoutMs: timeoutMs,
        },
        collector,
      );
    });
  }

  /** A `fetch` for a package that speaks a provider's dialect, limited to this provider's addresses. */
  fetchFor(options: FetchOptions): Fetch {
    return fetchOver((request, handler) => this.dispatch(request, handler), options);
  }

  /** Closes every connection; open calls fail as `aborted`. */
  async onApplicationShutdown(): Promise<void> {
    const pools = [...this.pools.values(), ...this.freshPools.values()];
    await Promise.all([...pools.map((pool) => pool.destroy()), this.tenantPools.destroy()]);
  }

  /** The text is judged again at each call: a stored URL may be older than the current mode and rules. */
  private dispatchGuarded(request: OutboundRequest, handler: OutboundHandler): OutboundCall {
    const judgement = this.tenantUrls.judge(request.origin);
    if ('refusal' in judgement) {
      handler.onError(forbidden(new Error(`The origin ${judgement.refusal}.`)));
      return REFUSED;
    }
    const answer = new GuardedAnswer(handler, request.maxBytes ?? MAX_TENANT_ANSWER_BYTES);
    const call = new Call(answer, request, this.sendFreshGuarded);
    answer.call = call;
    send(this.tenantPools.get(judgement.url.origin), request, call);
    return call;
  }

  private readonly sendFresh: SendFresh = (request, call) => {
    const { origin } = request;
    send(this.freshPools.get(origin) ?? this.openPool(origin, this.freshPools), request, call, true);
  };

  private readonly sendFreshGuarded: SendFresh = (request, call) => {
    send(this.tenantPools.get(request.origin, true), request, call, true);
  };

  private openPool(origin: string, pools: Map<string, Pool>): Pool {
    const pool = new Pool(origin, {
      ...ONE_CALL_PER_CONNECTION,
      connections: this.connectionsPerOrigin,
      connect: overseen(buildConnector({ timeout: this.connectTimeoutMs, allowH2: false })),
    });
    pools.set(origin, pool);
    return pool;
  }
}

/** Reads the trace now, since a repeated request is sent from another request's context. */
function withTrace(request: OutboundRequest): OutboundRequest {
  const carried = currentRequestContext()?.traceHeaders;
  return carried === undefined ? request : { ...request, headers: [...request.headers, ...carried] };
}

/** A call that never began. */
const REFUSED: OutboundCall = { abort: () => undefined, pause: () => undefined, resume: () => undefined };

function send(pool: Dispatcher, request: OutboundRequest, call: Call, closesAfter = false): void {
  pool.dispatch(
    {
      path: request.path,
      method: request.method,
      headers: request.headers,
      body: request.body ?? null,
      reset: closesAfter,
      // The call's own timer bounds the wait for headers: undici's starts only once there is a connection.
      headersTimeout: 0,
      bodyTimeout: request.idleTimeoutMs,
    },
    call,
  );
}
