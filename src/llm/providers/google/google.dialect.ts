import type { LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import type { OutboundHttp } from '../../../platform/outbound/index.js';
import type { Model } from '../../models/model-catalogue.js';
import { baseUrlOf, credentialOf, listModels, textOfUrl } from '../bridge/connection.js';
import { plainCounts, type ReportForm } from '../bridge/counts.js';
import {
  fieldsOf,
  textIn,
  type Completion,
  type Dialect,
  type DialectPackage,
  type Embedder,
} from '../bridge/dialect.js';
import { embeddingOptionsOf } from '../bridge/embedding-options.js';
import type { SaidError } from '../bridge/failures.js';
import { TranslatedProvider } from '../bridge/translated.provider.js';
import type { ProviderConnection, ProviderFactory } from '../provider-factory.js';
import { googleCall } from './google-options.js';

/**
 * A report, a count in it or a list of details that is not what it should be. Every event has a report: usual ones are not
 * mended. Within a string the quotes of a name would be escaped, and not match.
 */
const ODD_REPORT =
  /"(?:\w*tokenCount"\s*:\s*(?:[^\s\d-]|[-\d.]+e)|usageMetadata"\s*:\s*[^\s{]|\w+TokensDetails"\s*:\s*[^\s[])/i;
const HOME = 'https://generativelanguage.googleapis.com/v1beta';

export const googleFactory: ProviderFactory = (connection, deps) =>
  new TranslatedProvider(connection, new GoogleDialect(connection), deps);

/** Google's Gemini API. */
class GoogleDialect implements Dialect {
  readonly namespace = 'google';
  readonly fetchesImages = false;
  readonly rereads = true;
  readonly report: ReportForm = { mend: mendReport, marks: ODD_REPORT };
  readonly baseUrl: URL;
  readonly secret: string;

  constructor(private readonly connection: ProviderConnection) {
    this.baseUrl = baseUrlOf(connection, HOME);
    this.secret = credentialOf(connection, 'apiKey');
  }

  /** What a model thinks is a part of `maxOutputTokens`. */
  outputIn({ generationConfig }: Readonly<Record<string, unknown>>): number | null {
    const { maxOutputTokens, thinkingConfig } = fieldsOf(generationConfig);
    const { thinkingBudget } = fieldsOf(thinkingConfig);
    if (typeof maxOutputTokens !== 'number') return null;
    return Math.max(maxOutputTokens, typeof thinkingBudget === 'number' ? thinkingBudget : 0);
  }

  async load(): Promise<DialectPackage> {
    const [{ createGoogle }, { getGoogleLanguageModelEntry }] = await Promise.all([
      import('@ai-sdk/google'),
      import('@ai-sdk/google/internal'),
    ]);
    const connection = { apiKey: this.secret, baseURL: textOfUrl(this.baseUrl) };
    return {
      translate: (request) => googleCall(request, getGoogleLanguageModelEntry),
      model: (id, fetch, generateId) => createGoogle({ ...connection, fetch, generateId }).languageModel(id),
    };
  }

  async loadEmbedder(): Promise<Embedder> {
    const { createGoogle } = await import('@ai-sdk/google');
    const connection = { apiKey: this.secret, baseURL: textOfUrl(this.baseUrl) };
    return {
      mostTexts: () => 100,
      translate: (request) => {
        const { dimensions } = embeddingOptionsOf(request, { provider: 'google', dimensions: null, inputTypes: [] });
        return dimensions === undefined ? {} : { dimensions };
      },
      model: (id, fetch) => createGoogle({ ...connection, fetch }).embeddingModel(id),
    };
  }

  /** `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"…RetryInfo","retryDelay":"34s"}]}}` */
  readError(status: number, headers: Headers, body: unknown): SaidError {
    // A stream's error may stand in a list.
    const first: unknown = Array.isArray(body) ? body[0] : body;
    const { message, status: type, details } = fieldsOf(fieldsOf(first)['error']);
    const list = (Array.isArray(details) ? details : []).map(fieldsOf);
    const isOfKey = list.some(({ reason }) => reason === 'API_KEY_INVALID');
    const delay = /^\d+/.exec(String(list.find(({ retryDelay }) => retryDelay !== undefined)?.['retryDelay']))?.[0];
    return {
      // A bad key is a 400 here, and the caller can't mend it.
      status: isOfKey ? 401 : status,
      message: textIn(message),
      type: textIn(type),
      retryAfter: headers.get('retry-after') ?? delay ?? null,
    };
  }

  complete({ response }: LanguageModelV4GenerateResult): Completion {
    return this.reread(response?.body);
  }

  /** The package leaves out which model answered. */
  reread(chunk: unknown): Completion {
    const model = textIn(fieldsOf(chunk)['modelVersion']);
    return model === null ? {} : { model };
  }

  loadModels(http: OutboundHttp): Promise<readonly Model[] | null> {
    const headers = { 'x-goog-api-key': this.secret };
    const url = `${textOfUrl(this.baseUrl)}/models?pageSize=1000`;
    return listModels(
      http,
      this.connection,
      url,
      headers,
      ({ models }) => models,
      ({ name }) =>
        typeof name === 'string'
          ? { id: name.replace(/^models\//, ''), object: 'model', created: 0, owned_by: 'google' }
          : null,
    );
  }
}

function mendReport({
  usageMetadata,
  ...answer
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const counts = plainCounts(usageMetadata);
  // Without any count a package would take it for a report of nothing.
  return Object.keys(counts).length === 0 ? answer : { ...answer, usageMetadata: counts };
}
