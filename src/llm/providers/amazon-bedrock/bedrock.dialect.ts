import type { AmazonBedrockProviderSettings } from '@ai-sdk/amazon-bedrock';
import { invalidField } from '../../../platform/errors/index.js';
import { baseUrlOf, credentialOf, textOfUrl } from '../bridge/connection.js';
import { plainCounts, type ReportForm } from '../bridge/counts.js';
import { fieldsOf, textIn, type Dialect, type DialectPackage, type Embedder } from '../bridge/dialect.js';
import type { SaidError } from '../bridge/failures.js';
import { TranslatedProvider } from '../bridge/translated.provider.js';
import type { ProviderConnection, ProviderFactory } from '../provider-factory.js';
import { bedrockEmbeddingCall, embeddingFamilyOf } from './bedrock-embeddings.js';
import { bedrockCall } from './bedrock-options.js';

const REGION = /^[a-z]{2}(?:-[a-z]+)+-\d$/;

export const bedrockFactory: ProviderFactory = (connection, deps) =>
  new TranslatedProvider(connection, new BedrockDialect(connection), deps);

/** Amazon Bedrock's Converse API, signed by AWS Signature Version 4, or with a Bedrock API key. */
class BedrockDialect implements Dialect {
  readonly namespace = 'amazonBedrock';
  readonly fetchesImages = false;
  readonly isFramed = true;
  readonly report: ReportForm = {
    // The package refuses a report because of these two, too, and they are not read.
    mend: ({ performanceConfig: _performance, serviceTier: _tier, ...answer }) => ({
      ...answer,
      usage: plainCounts(answer['usage'], ['inputTokens', 'outputTokens', 'totalTokens']),
    }),
  };
  readonly baseUrl: URL;
  readonly secret: string;
  private readonly region: string;

  constructor(private readonly connection: ProviderConnection) {
    const { region } = connection.settings;
    if (region === undefined || !REGION.test(region))
      throw invalidField('settings.region', 'must be a region of AWS, such as us-east-1');
    this.region = region;
    this.baseUrl = baseUrlOf(connection, `https://bedrock-runtime.${region}.amazonaws.com`);
    this.secret = credentialOf(connection, connection.credentials.apiKey === undefined ? 'secretAccessKey' : 'apiKey');
  }

  /** What a Claude model thinks is a part of `maxTokens`. */
  outputIn({ inferenceConfig, additionalModelRequestFields: more }: Readonly<Record<string, unknown>>): number | null {
    const { maxTokens } = fieldsOf(inferenceConfig);
    const { budget_tokens: budget } = fieldsOf(fieldsOf(more)['thinking']);
    return typeof maxTokens === 'number' ? Math.max(maxTokens, typeof budget === 'number' ? budget : 0) : null;
  }

  async load(): Promise<DialectPackage> {
    const [{ createAmazonBedrock }, { getModelCapabilities }] = await Promise.all([
      import('@ai-sdk/amazon-bedrock'),
      import('@ai-sdk/anthropic/internal'),
    ]);
    return {
      translate: (request) => bedrockCall(request, getModelCapabilities),
      model: (id, fetch) => createAmazonBedrock({ ...this.account(), fetch }).languageModel(id),
    };
  }

  async loadEmbedder(): Promise<Embedder> {
    const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
    return {
      mostTexts: (model) => embeddingFamilyOf(model).mostTexts,
      translate: bedrockEmbeddingCall,
      model: (id, fetch) => createAmazonBedrock({ ...this.account(), fetch }).embeddingModel(id),
      report: { mend: mendEmbeddingReport },
    };
  }

  /** An empty API key is named too: the package would else prefer the operator's to this connection's account. */
  private account(): Omit<AmazonBedrockProviderSettings, 'fetch'> {
    const { region, connection } = this;
    const { apiKey, sessionToken } = connection.credentials;
    const common = { region, baseURL: textOfUrl(this.baseUrl), apiKey: apiKey ?? '' };
    if (apiKey !== undefined) return common;
    return {
      ...common,
      accessKeyId: credentialOf(connection, 'accessKeyId'),
      secretAccessKey: credentialOf(connection, 'secretAccessKey'),
      ...(sessionToken === undefined ? {} : { sessionToken }),
    };
  }

  /** `x-amzn-errortype: ThrottlingException:http://…` and `{"message":"…"}` */
  readError(status: number, headers: Headers, body: unknown): SaidError {
    const { message, Message: other } = fieldsOf(body);
    const type = headers.get('x-amzn-errortype')?.split(':')[0] ?? null;
    return {
      status,
      message: textIn(message) ?? textIn(other),
      type: textIn(type),
      retryAfter: headers.get('retry-after'),
    };
  }

  /** The list is served at another address, which the account may not be allowed to read. */
  loadModels(): Promise<null> {
    return Promise.resolve(null);
  }
}

/** Titan's models report in one field, which has to be there, and Nova's in another. */
function mendEmbeddingReport({
  inputTextTokenCount = null,
  inputTokenCount = null,
  ...answer
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const required = 'embedding' in answer ? ['inputTextTokenCount'] : [];
  return { ...answer, ...plainCounts({ inputTextTokenCount, inputTokenCount }, required) };
}
