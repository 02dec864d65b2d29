import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ownShareOf } from '../../identity/index.js';
import { KeyModels } from '../../keys/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database } from '../../platform/database/index.js';
import { Drain, readCallersJson, type BodyRoom } from '../../platform/http/index.js';
import type { JsonObject } from '../../platform/json/index.js';
import { logCall } from '../../platform/logging/index.js';
import { Metrics } from '../../platform/metrics/index.js';
import { Tracing } from '../../platform/tracing/index.js';
import { Places, type ShareOwner } from '../../platform/shares/index.js';
import { UsageLedger, type Settlement } from '../../usage/index.js';
import type { CallPrincipal } from '../access/chat-access.js';
import { assertMayUse } from '../access/model-access.js';
import { KnownModels } from '../models/model-facts.js';
import { TenantModels } from '../models/tenant-models.js';
import type { OperationName, OperationRequests, Provider } from '../providers/provider.js';
import { CallerRoutes } from '../routing/caller-routes.js';
import type { Route } from '../routing/route.js';
import type { RetryReason } from '../routing/retry-reason.js';
import { RouteWalk } from '../routing/route-walk.js';
import { routeMeeting, routeServing, type TargetWish } from '../routing/route-serving.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { Call } from './call.js';
import type { CallContext } from './call-context.js';
import { shuttingDown } from './call-faults.js';
import type { CallSink } from './call-sink.js';
import { CallMetrics } from './call-metrics.js';
import { CallTerms } from './call-terms.js';
import { callerBy, type Caller } from './caller.js';
import { KeptAnswers } from './kept-answers.js';
import { loggedCall, tryEnd } from './logged-call.js';
import { LateCalls } from './late-calls.js';
import { OpenCalls } from './open-calls.js';
import type { Operation } from './operation.js';
import { ReplySink } from './reply-sink.js';
import { RoutedCall } from './routed-call.js';
import type { Tried } from './tried.js';

const ANY_MODEL: readonly string[] = [];
/** How many of all calls may wait for a provider without a caller. */
const PART_OF_LATE_CALLS = 1 / 2;

/** What a surface adds to an operation. */
export interface AnswerWays<Name extends OperationName = OperationName> {
  /** What becomes of the caller's body before it is read as the operation's request. */
  readonly prepare?: (json: JsonObject) => JsonObject | Promise<JsonObject>;
  /** What becomes of the operation's request before it is judged. */
  readonly ready?: (request: OperationRequests[Name]) => OperationRequests[Name] | Promise<OperationRequests[Name]>;
  /** What the request asks of each target of its route. */
  readonly wishOf?: (request: OperationRequests[Name]) => TargetWish;
  /** Where the answer goes on its way to the caller. */
  readonly sinkOver?: (sink: CallSink) => CallSink;
}

/** Runs every governed call of this process, and knows those that are open. */
@Injectable()
export class Calls implements CallContext {
  readonly lateCalls: LateCalls;
  /** Each call holds one until it is over, late calls too. */
  readonly places: Places;
  readonly answers = new KeptAnswers();
  isStopping = false;
  private readonly metrics: CallMetrics;
  private readonly open = new OpenCalls<Call<OperationName>>();

  constructor(
    private readonly routes: CallerRoutes,
    readonly ledger: UsageLedger,
    @Inject(TenantModels) private readonly models: Pick<TenantModels, 'of'>,
    @Inject(KeyModels) private readonly keyModels: Pick<KeyModels, 'of'>,
    private readonly tokenizer: Tokenizer,
    private readonly drain: Drain,
    private readonly database: Database,
    metrics: Metrics,
    knownModels: KnownModels,
    private readonly tracing: Tracing,
    @Inject(SETTINGS_TOKEN)
    private readonly settings: Pick<Settings, 'providerCalls' | 'tenantCalls' | 'orgCalls' | 'totalTimeoutMs'>,
  ) {
    this.metrics = new CallMetrics(metrics, knownModels);
    this.lateCalls = new LateCalls(Math.floor(settings.providerCalls * PART_OF_LATE_CALLS));
    this.places = new Places({
      what: 'calls to providers',
      most: settings.providerCalls,
      ofTenant: settings.tenantCalls,
      ofOrg: settings.orgCalls,
      ofTenantSetting: 'GATEHOUSE_TENANT_CALLS',
      ofOrgSetting: 'GATEHOUSE_ORG_CALLS',
      allSetting: 'GATEHOUSE_PROVIDER_CALLS',
    });
    drain.onDeadline(() => this.stop());
  }

  /**
   * Reads the body of an HTTP request, and writes the whole answer to its reply.
   *
   * @throws Fault where nothing of an answer was sent
   */
  async answer<Name extends OperationName>(
    operation: Operation<Name>,
    principal: CallPrincipal,
    request: FastifyRequest,
    reply: FastifyReply,
    { prepare = same, ready = same, wishOf, sinkOver = same }: AnswerWays<Name> = {},
  ): Promise<void> {
    const room = this.assertRoom(principal, request.ip);
    if (room instanceof Promise) await room;
    const read = readCallersJson(request);
    const prepared = prepare(read instanceof Promise ? await read : read);
    const known = ready(operation.parse(prepared instanceof Promise ? await prepared : prepared));
    const asked = known instanceof Promise ? await known : known;
    const sink = sinkOver(new ReplySink(reply, operation.streamError));
    await this.run(operation, callerBy(principal, request), asked, sink, request.bodyRoom, wishOf?.(asked));
  }

  /**
   * A caller for whom there is no place is told before the body is read; the place itself is taken when the call begins.
   *
   * @throws Fault rate_limited
   */
  assertRoom(principal: CallPrincipal, address: string): void | Promise<void> {
    const owned = this.ownerOf(principal, address);
    if (owned instanceof Promise) return owned.then((owner) => this.places.assertRoom(owner));
    this.places.assertRoom(owned);
  }

  /**
   * Runs a call until its caller has an answer. It may last longer, until what it used is known.
   *
   * @param room what the request's body takes; the call keeps it until it is over
   * @param chosen the way that it takes; absent: the caller's own
   * @throws Fault where nothing of an answer was sent
   */
  async run<Name extends OperationName>(
    operation: Operation<Name>,
    caller: Caller,
    request: OperationRequests[Name],
    sink: CallSink,
    room: BodyRoom | null,
    wish?: TargetWish,
    chosen?: Route,
  ): Promise<void> {
    const { tenantId } = caller.principal;
    const confined = this.confinedTo(caller.principal);
    assertMayUse(confined instanceof Promise ? await confined : confined, request.model);
    const found = chosen ?? this.routes.routeOf(caller.principal, request.model);
    const way = found instanceof Promise ? await found : found;
    // Only right after the start: without its vocabulary a call that is cut off would be charged by its letters.
    if (!this.tokenizer.isLoaded) await this.tokenizer.load();
    if (this.isStopping) throw shuttingDown();
    const known = this.models.of(tenantId);
    const models = known instanceof Promise ? await known : known;
    const serving = routeServing(way, operation.name, request.model, models);
    const route = wish === undefined ? serving : routeMeeting(serving, wish);
    const owned = this.ownerOf(caller.principal, caller.address);
    const owner = owned instanceof Promise ? await owned : owned;
    const walk = this.walkOf(route);
    const terms = new CallTerms(models, this.tokenizer, operation, caller, request, route, walk?.target);
    this.places.take(owner);
    const call =
      walk === null ? new Call(this, terms, sink, room, owner) : new RoutedCall(this, terms, sink, room, owner, walk);
    this.open.add(call);
    room?.retain();
    // A call may outlive its request, and must be settled before the service goes.
    this.drain.requestOpened();
    await call.run();
  }

  /** Called by each call, once. */
  onOver(call: Call<OperationName>): void {
    this.open.delete(call);
    call.room?.release();
    this.places.leave(call.owner);
    this.drain.requestClosed();
  }

  onSent({ operation, request, tried }: CallTerms<OperationName>): void {
    const { model, number, target } = tried;
    const { kind } = target.provider;
    this.metrics.onSent(target.provider);
    tried.span = this.tracing.beginTry({ operation: operation.name, kind, model, number, streamed: request.stream });
  }

  onTried(tried: Tried, settlement: Settlement): void {
    this.metrics.onTried(tried, settlement);
    tried.span?.end(tryEnd(tried, settlement));
  }

  onEnded(terms: CallTerms<OperationName>, settlement: Settlement): void {
    this.metrics.onOver(terms.operation.name, settlement.outcome, terms.tried.number);
    logCall(loggedCall(terms, settlement));
  }

  /** For a call that was answered without a provider. */
  onAnswered(by: Pick<Provider, 'kind'>, operation: OperationName): void {
    this.metrics.onAnswered(by, operation);
  }

  onRetried(provider: Provider, reason: RetryReason): void {
    this.metrics.onRetried(provider, reason);
  }

  /** @throws Fault unavailable: every target of the route is left alone at present */
  private walkOf(route: Route): RouteWalk | null {
    const { plan } = route;
    if (plan === null) return null;
    const nowMs = performance.now();
    return RouteWalk.begin(route, plan, nowMs, nowMs + this.settings.totalTimeoutMs);
  }

  /** By the names that the tenant's own providers have; who brings providers has names of another kind. */
  private confinedTo(principal: CallPrincipal): readonly string[] | Promise<readonly string[]> {
    return 'keyId' in principal && principal.kind !== 'sealedToken' ? this.keyModels.of(principal) : ANY_MODEL;
  }

  private ownerOf(principal: CallPrincipal, address: string): ShareOwner | Promise<ShareOwner> {
    const owned = this.database.ownerOf(principal.tenantId);
    const share = ownShareOf(principal, address);
    if (share === null) return owned;
    return owned instanceof Promise
      ? owned.then(({ orgId }) => ({ tenantId: share, orgId }))
      : { tenantId: share, orgId: owned.orgId };
  }

  private stop(): void {
    this.isStopping = true;
    for (const call of this.open.all()) call.shutDown();
  }
}

function same<T>(value: T): T {
  return value;
}
