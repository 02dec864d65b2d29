import { Fault } from '../../../platform/errors/index.js';
import { parseJsonObject } from '../../../platform/json/index.js';
import { OutboundError, type JsonAnswer, type OutboundRequest } from '../../../platform/outbound/index.js';
import { isObject, parseChatRequest } from '../requests/chat-request.js';
import { ModelCatalogue, ModelListError, type Model } from '../../models/model-catalogue.js';
import { readResponsesRequest, type ResponsesRequest } from '../requests/responses-request.js';
import type {
  AnswerSink,
  Attempt,
  OperationName,
  OperationRequests,
  Provider,
  ProviderFailure,
  ResponseKeeper,
} from '../provider.js';
import type { ProviderConnection, ProviderDeps } from '../provider-factory.js';
import type { AnswerReader } from './answer-reader.js';
import { WordsSink } from './answer-words.js';
import { turnsOf } from './large-answer.js';
import { OpenaiAttempt } from './openai-attempt.js';
import { failureOfStatus, failureOfTransport } from './openai-failure.js';
import { READERS } from './openai-readers.js';
import { openaiWire, type OpenaiWire } from './openai-wire.js';

const MODELS_TIMEOUT_MS = 10_000;
const MODELS_MAX_BYTES = 8 * 1024 * 1024;
const USER_AGENT = 'gatehouse';
const CHAT_AND_EMBEDDINGS: ReadonlySet<OperationName> = new Set(['chat', 'embeddings']);

/**
 * Any server that speaks OpenAI's dialect. A body that need not change is passed on byte for byte; nothing of
 * the caller's headers is: what goes upstream is made here once, with the credential of the connection.
 */
export class OpenaiProvider implements Provider {
  readonly name: string;
  readonly kind: string;
  readonly operations: ReadonlySet<OperationName>;
  readonly catalogue: ModelCatalogue;
  readonly keeper?: ResponseKeeper;
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
    this.operations = wire.operations ?? CHAT_AND_EMBEDDINGS;
    if (this.operations.has('responses'))
      this.keeper = { providerId: connection.id ?? null, ask: this.askKept.bind(this) };
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
    const reader: AnswerReader<OperationRequests[Name]> = READERS[operation];
    const taking =
      wire.words === undefined || operation !== 'chat' ? sink : new WordsSink(sink, wire.words, turnsOf(this));
    const attempt = new OpenaiAttempt(request, taking, reader, deps.tokenizer, connection.credentials.apiKey, this);
    attempt.outbound = deps.http.dispatch(
      {
        policy: target.policy,
        origin: target.origin,
        path: wire.pathOf(reader.path, request.model),
        method: target.method,
        headers: request.stream ? this.streamHeaders : this.jsonHeaders,
        body: reader.bodyOf(request, wire.reportsUsageUnasked === true),
        traced: true,
        firstByteTimeoutMs: target.firstByteTimeoutMs,
        idleTimeoutMs: target.idleTimeoutMs,
        totalTimeoutMs: target.totalTimeoutMs,
      },
      attempt,
    );
    return attempt;
  }

  private askKept(method: 'GET' | 'DELETE', id: string, query: string, sink: AnswerSink): Attempt {
    const { connection, deps, target, wire } = this;
    const attempt = new OpenaiAttempt(KEPT, sink, KEPT_READER, deps.tokenizer, connection.credentials.apiKey, this);
    const path = wire.pathOf(`${KEPT_READER.path}/${encodeURIComponent(id)}`, KEPT.model);
    const asked = query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`;
    const headers = this.jsonHeaders;
    attempt.outbound = deps.http.dispatch({ ...target, method, path: asked, headers }, attempt);
    return attempt;
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

/** Nothing is asked of a model. A response that failed is a whole answer to who asks for it. */
const KEPT = readResponsesRequest(parseJsonObject(Buffer.from('{"model":"-","input":""}')));
const KEPT_READER: AnswerReader<ResponsesRequest> = {
  ...READERS.responses,
  failureIn: () => null,
  isAnswer: () => true,
};

/** Nothing of a prompt, for what judges an error by what was asked. */
const LISTING = parseChatRequest(Buffer.from('{"model":"-","messages":[{}]}'));

function messageOf({ error }: ProviderFailure): string {
  return error instanceof Fault ? error.message : error.body.error.message;
}
