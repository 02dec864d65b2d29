import { parseJsonObject, withField, withText } from '../../../platform/json/index.js';
import { Fault } from '../../../platform/errors/index.js';
import { OutboundError, type JsonAnswer, type OutboundRequest } from '../../../platform/outbound/index.js';
import { isObject, parseChatRequest, type ChatRequest } from '../requests/chat-request.js';
import { ModelCatalogue, ModelListError, type Model } from '../../models/model-catalogue.js';
import type { AnswerSink, Attempt, OperationName, OperationRequests, Provider, ProviderFailure } from '../provider.js';
import type { ProviderConnection, ProviderDeps } from '../provider-factory.js';
import { OpenaiAttempt } from './openai-attempt.js';
import { failureOfStatus, failureOfTransport } from './openai-failure.js';
import { openaiWire, type OpenaiWire } from './openai-wire.js';

const MODELS_TIMEOUT_MS = 10_000;
const MODELS_MAX_BYTES = 8 * 1024 * 1024;
const USER_AGENT = 'gatehouse';

/**
 * Any server that speaks OpenAI's chat completions. A body that need not change is passed on byte for byte; nothing of
 * the caller's headers is: what goes upstream is made here once, with the credential of the connection.
 */
export class OpenaiProvider implements Provider {
  readonly name: string;
  readonly kind: string;
  readonly catalogue: ModelCatalogue;
  private readonly target: Omit<OutboundRequest, 'path' | 'headers' | 'body'>;
  private readonly jsonHeaders: string[];
  private readonly streamHeaders: string[];

  constructor(
    private readonly connection: ProviderConnection,
    private readonly deps: ProviderDeps,
    private readonly wire: OpenaiWire = openaiWire(connection),
  ) {
    const { name, kind, policy, models } = connection;
    this.name = name;
    this.kind = kind;
    this.target = { policy, origin: wire.origin, method: 'POST', ...deps.timeouts };
    const common = Object.entries(this.ownHeaders()).flat();
    common.push('content-type', 'application/json', 'accept-encoding', 'identity');
    this.jsonHeaders = [...common, 'accept', 'application/json'];
    this.streamHeaders = [...common, 'accept', 'text/event-stream'];
    this.catalogue =
      models.length > 0 ? ModelCatalogue.of(name, models) : new ModelCatalogue(name, () => this.loadModels());
  }

  start<Name extends OperationName>(operation: Name, asked: OperationRequests[Name], sink: AnswerSink): Attempt {
    const { connection, deps, target, wire } = this;
    const request = wire.rewrite === undefined ? asked : wire.rewrite(operation, asked);
    const attempt = new OpenaiAttempt(request, sink, deps.tokenizer, connection.credentials.apiKey);
    attempt.outbound = deps.http.dispatch(
      {
        policy: target.policy,
        origin: target.origin,
        path: wire.pathOf('/chat/completions', request.model),
        method: target.method,
        headers: request.stream ? this.streamHeaders : this.jsonHeaders,
        body: this.asksForUsage(request) ? withUsageAsked(request) : request.raw,
        firstByteTimeoutMs: target.firstByteTimeoutMs,
        idleTimeoutMs: target.idleTimeoutMs,
        totalTimeoutMs: target.totalTimeoutMs,
      },
      attempt,
    );
    return attempt;
  }

  private asksForUsage({ stream, includeUsage }: ChatRequest): boolean {
    return stream && !includeUsage && this.wire.reportsUsageUnasked !== true;
  }

  private ownHeaders(): Record<string, string> {
    return { 'user-agent': USER_AGENT, ...this.wire.headers };
  }

  private async loadModels(): Promise<readonly Model[] | null> {
    if (this.wire.modelsPath === null) return null;
    const answer = await this.askForModels(this.wire.modelsPath);
    if (answer.status === 404 || answer.status === 405 || answer.status === 501) return null;
    if (answer.status !== 200) throw this.refusedList(answer);
    const list = isObject(answer.body) ? answer.body['data'] : answer.body;
    return Array.isArray(list) ? list.flatMap((item: unknown) => this.readModel(item)) : null;
  }

  private async askForModels(path: string): Promise<JsonAnswer> {
    const { connection, deps, wire } = this;
    try {
      return await deps.http.fetchJson(wire.origin + path, {
        policy: connection.policy,
        timeoutMs: Math.min(MODELS_TIMEOUT_MS, deps.timeouts.totalTimeoutMs),
        maxBytes: MODELS_MAX_BYTES,
        headers: this.ownHeaders(),
      });
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      throw new ModelListError(null, messageOf(failureOfTransport(error)), error);
    }
  }

  private refusedList({ status, headers, body }: JsonAnswer): ModelListError {
    const asked = { request: LISTING, secret: this.connection.credentials.apiKey };
    const failure = failureOfStatus(status, headers, Buffer.from(JSON.stringify(body ?? null)), asked);
    return new ModelListError(status, failure.said ?? messageOf(failure));
  }

  private readModel(item: unknown): Model[] {
    if (!isObject(item) || typeof item['id'] !== 'string') return [];
    const { id, created, owned_by: owner } = item;
    return [
      {
        id,
        object: 'model',
        created: typeof created === 'number' ? created : 0,
        owned_by: typeof owner === 'string' ? owner : this.name,
      },
    ];
  }
}

/** Nothing of a prompt, for what judges an error by what was asked. */
const LISTING = parseChatRequest(Buffer.from('{"model":"-","messages":[{}]}'));

function messageOf({ error }: ProviderFailure): string {
  return error instanceof Fault ? error.message : error.body.error.message;
}

const USAGE_ASKED = Buffer.from('"stream_options":{"include_usage":true},');
const OPENING_BRACE = 0x7b;

/**
 * The body with `stream_options.include_usage` set, so that the provider says what a stream used; every other byte is the
 * caller's, numbers too large for a double included.
 */
export function withUsageAsked(request: ChatRequest): Buffer {
  const { raw, json } = request;
  const span = json.fields.get('stream_options');
  if (span === undefined) {
    // `stream` stands in the body, so that a comma is right.
    const afterBrace = raw.indexOf(OPENING_BRACE) + 1;
    return Buffer.concat([raw.subarray(0, afterBrace), USAGE_ASKED, raw.subarray(afterBrace)]);
  }
  if (json.value['stream_options'] === null) return withText(json, span, '{"include_usage":true}');
  const options = parseJsonObject(Buffer.from(json.text.slice(span.start, span.end)));
  return withText(json, span, withField(options, 'include_usage', true));
}
