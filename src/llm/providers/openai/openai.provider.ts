import type { Settings } from '../../../platform/config/index.js';
import { parseJsonObject, withField, withText } from '../../../platform/json/index.js';
import type { OutboundHttp, OutboundRequest } from '../../../platform/outbound/index.js';
import { isObject, type ChatRequest } from '../requests/chat-request.js';
import { ModelCatalogue, type Model } from '../../models/model-catalogue.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import type { AnswerSink, Attempt, OperationName, OperationRequests, Provider } from '../provider.js';
import { OpenaiAttempt } from './openai-attempt.js';

const MODELS_TIMEOUT_MS = 10_000;
const MODELS_MAX_BYTES = 8 * 1024 * 1024;
const USER_AGENT = 'gatehouse';

export type OpenaiProviderSettings = Pick<
  Settings,
  'openaiApiKey' | 'openaiBaseUrl' | 'openaiModels' | 'firstByteTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs'
>;

/**
 * Any server that speaks OpenAI's chat completions. A body that need not change is passed on byte for byte; nothing of
 * the caller's headers is: what goes upstream is made here once, with the platform's own credential.
 */
export class OpenaiProvider implements Provider {
  readonly name = 'openai';
  readonly catalogue: ModelCatalogue;
  private readonly target: Omit<OutboundRequest, 'headers' | 'body'>;
  private readonly jsonHeaders: string[];
  private readonly streamHeaders: string[];

  constructor(
    private readonly http: OutboundHttp,
    private readonly tokenizer: Tokenizer,
    private readonly settings: OpenaiProviderSettings,
  ) {
    const base = new URL(settings.openaiBaseUrl);
    this.target = {
      policy: 'operator',
      origin: base.origin,
      path: pathBelow(base, '/chat/completions'),
      method: 'POST',
      firstByteTimeoutMs: settings.firstByteTimeoutMs,
      idleTimeoutMs: settings.idleTimeoutMs,
      totalTimeoutMs: settings.totalTimeoutMs,
    };
    const common = Object.entries(this.credentialHeaders()).flat();
    common.push('content-type', 'application/json', 'accept-encoding', 'identity');
    this.jsonHeaders = [...common, 'accept', 'application/json'];
    this.streamHeaders = [...common, 'accept', 'text/event-stream'];
    this.catalogue =
      settings.openaiModels !== undefined && settings.openaiModels.length > 0
        ? ModelCatalogue.of(this.name, settings.openaiModels)
        : new ModelCatalogue(this.name, () => this.loadModels(base));
  }

  start<Name extends OperationName>(_operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt {
    const attempt = new OpenaiAttempt(request, sink, this.tokenizer, this.settings.openaiApiKey);
    const { target } = this;
    attempt.outbound = this.http.dispatch(
      {
        policy: target.policy,
        origin: target.origin,
        path: target.path,
        method: target.method,
        headers: request.stream ? this.streamHeaders : this.jsonHeaders,
        body: request.stream && !request.includeUsage ? withUsageAsked(request) : request.raw,
        firstByteTimeoutMs: target.firstByteTimeoutMs,
        idleTimeoutMs: target.idleTimeoutMs,
        totalTimeoutMs: target.totalTimeoutMs,
      },
      attempt,
    );
    return attempt;
  }

  private credentialHeaders(): Record<string, string> {
    const { openaiApiKey } = this.settings;
    return {
      'user-agent': USER_AGENT,
      ...(openaiApiKey === undefined ? {} : { authorization: `Bearer ${openaiApiKey}` }),
    };
  }

  private async loadModels(base: URL): Promise<readonly Model[] | null> {
    const answer = await this.http.fetchJson(base.origin + pathBelow(base, '/models'), {
      timeoutMs: Math.min(MODELS_TIMEOUT_MS, this.settings.totalTimeoutMs),
      maxBytes: MODELS_MAX_BYTES,
      headers: this.credentialHeaders(),
    });
    if (answer.status === 404 || answer.status === 405 || answer.status === 501) return null;
    if (answer.status !== 200)
      throw new Error(`The provider answered its list of models with status ${answer.status}.`);
    const list = isObject(answer.body) ? answer.body['data'] : answer.body;
    return Array.isArray(list) ? list.flatMap((item: unknown) => this.readModel(item)) : null;
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

/** A path below a base address, whose query (Azure's API version) stays. */
function pathBelow(base: URL, path: string): string {
  return base.pathname.replace(/\/+$/, '') + path + base.search;
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
