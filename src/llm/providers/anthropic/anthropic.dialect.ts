import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import type { OutboundHttp } from '../../../platform/outbound/index.js';
import type { Model } from '../../models/model-catalogue.js';
import { baseUrlOf, credentialOf, listModels, textOfUrl } from '../bridge/connection.js';
import { plainCounts, type ReportForm } from '../bridge/counts.js';
import { EventMender } from '../bridge/event-mender.js';
import { fieldsOf, textIn, type Dialect, type DialectPackage } from '../bridge/dialect.js';
import type { SaidError } from '../bridge/failures.js';
import { TranslatedProvider } from '../bridge/translated.provider.js';
import { readUsage } from '../openai/openai-usage.js';
import type { ProviderConnection, ProviderFactory } from '../provider-factory.js';
import type { TokenCounts } from '../provider.js';
import { anthropicCall } from './anthropic-options.js';
import { TextDeltas } from './text-deltas.js';

const HOME = 'https://api.anthropic.com/v1';
const API_VERSION = '2023-06-01';

export const anthropicFactory: ProviderFactory = (connection, deps) =>
  new TranslatedProvider(connection, new AnthropicDialect(connection), deps);

/** Anthropic's Messages API. */
class AnthropicDialect implements Dialect {
  readonly namespace = 'anthropic';
  readonly fetchesImages = true;
  readonly report: ReportForm = { mend: mendReport, marks: /"message_(?:start|delta)"/ };
  readonly baseUrl: URL;
  readonly secret: string;

  constructor(private readonly connection: ProviderConnection) {
    this.baseUrl = baseUrlOf(connection, HOME);
    this.secret = credentialOf(connection, 'apiKey');
  }

  /** What a model thinks is a part of `max_tokens`. */
  outputIn({ max_tokens: most, thinking }: Readonly<Record<string, unknown>>): number | null {
    const { budget_tokens: budget } = fieldsOf(thinking);
    return typeof most === 'number' ? Math.max(most, countOf(budget)) : null;
  }

  async load(): Promise<DialectPackage> {
    const [{ createAnthropic }, { getModelCapabilities, supportsNativeStructuredOutputSchema }] = await Promise.all([
      import('@ai-sdk/anthropic'),
      import('@ai-sdk/anthropic/internal'),
    ]);
    const knowledge = { capabilities: getModelCapabilities, isNativeSchema: supportsNativeStructuredOutputSchema };
    const connection = { apiKey: this.secret, baseURL: textOfUrl(this.baseUrl) };
    return {
      translate: (request) => anthropicCall(request, knowledge),
      model: (id, fetch, generateId) => createAnthropic({ ...connection, fetch, generateId }).languageModel(id),
    };
  }

  readError(status: number, headers: Headers, body: unknown): SaidError {
    const { message, type } = fieldsOf(fieldsOf(body)['error']);
    return { status, message: textIn(message), type: textIn(type), retryAfter: headers.get('retry-after') };
  }

  readText(onText: (text: string) => void): TextDeltas {
    return new TextDeltas(onText, new EventMender(this.report));
  }

  /** A stream begins with what its prompt came to. */
  reportedEarly(part: LanguageModelV4StreamPart): TokenCounts | null {
    if (part.type !== 'custom' || part.kind !== 'anthropic.message_start') return null;
    const usage = fieldsOf(part.providerMetadata?.['anthropic']?.['usage']);
    const read = countOf(usage['cache_read_input_tokens']);
    const written = countOf(usage['cache_creation_input_tokens']);
    return readUsage({
      prompt_tokens: countOf(usage['input_tokens']) + read + written,
      prompt_tokens_details: { cached_tokens: read, cache_write_tokens: written },
    });
  }

  loadModels(http: OutboundHttp): Promise<readonly Model[] | null> {
    const headers = { 'x-api-key': this.secret, 'anthropic-version': API_VERSION };
    const url = `${textOfUrl(this.baseUrl)}/models?limit=1000`;
    return listModels(
      http,
      this.connection,
      url,
      headers,
      ({ data }) => data,
      ({ id, created_at: created }) => {
        const time = Date.parse(String(created));
        return typeof id === 'string'
          ? { id, object: 'model', created: Number.isNaN(time) ? 0 : Math.floor(time / 1000), owned_by: 'anthropic' }
          : null;
      },
    );
  }
}

function mendReport(answer: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { type, message, usage } = answer;
  if (type !== 'message_start')
    return {
      ...answer,
      usage: plainCounts(usage, [...(type === 'message_delta' ? [] : ['input_tokens']), 'output_tokens']),
    };
  const begun = fieldsOf(message);
  return { ...answer, message: { ...begun, usage: plainCounts(begun['usage'], ['input_tokens']) } };
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
