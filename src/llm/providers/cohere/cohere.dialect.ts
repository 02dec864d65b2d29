import type { LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import type { OutboundHttp } from '../../../platform/outbound/index.js';
import type { Model } from '../../models/model-catalogue.js';
import { translate, type CallOptions, type Effort, type Traits } from '../bridge/call-options.js';
import { baseUrlOf, credentialOf, listModels, textOfUrl } from '../bridge/connection.js';
import { plainCounts, type ReportForm } from '../bridge/counts.js';
import {
  fieldsOf,
  textIn,
  type Completion,
  type Dialect,
  type DialectPackage,
  type Embedder,
  type ReadyCall,
} from '../bridge/dialect.js';
import {
  COHERE_DIMENSIONS,
  COHERE_INPUT_TYPES,
  embeddingOptionsOf,
  optionsFor,
  USUAL_INPUT_TYPE,
  type EmbeddingTraits,
} from '../bridge/embedding-options.js';
import type { SaidError } from '../bridge/failures.js';
import { budgetOf } from '../bridge/thinking.js';
import { TranslatedProvider } from '../bridge/translated.provider.js';
import type { ProviderConnection, ProviderFactory } from '../provider-factory.js';
import type { ChatRequest } from '../requests/chat-request.js';
import { withToolPlans } from './tool-plans.js';

const HOME = 'https://api.cohere.com/v2';
const PROVIDER = 'cohere';
/** What a model may think with where the caller sets no limit. */
const USUAL_LIMIT = 32_768;

const TRAITS: Traits = {
  provider: PROVIDER,
  namespace: 'cohere',
  images: true,
  // The package would send its base64 as text.
  pdfs: false,
  audio: false,
  systemAnywhere: true,
  textBesideToolCalls: true,
  cacheControl: false,
  seed: true,
  penalties: true,
  jsonObject: true,
  jsonSchema: true,
  strictTools: false,
  parallelOff: false,
};

const EMBEDDING_TRAITS: EmbeddingTraits = {
  provider: PROVIDER,
  dimensions: COHERE_DIMENSIONS,
  inputTypes: COHERE_INPUT_TYPES,
};

export const cohereFactory: ProviderFactory = (connection, deps) =>
  new TranslatedProvider(connection, new CohereDialect(connection), deps);

/** Cohere's Chat API, version 2. */
class CohereDialect implements Dialect {
  readonly namespace = 'cohere';
  readonly fetchesImages = true;
  readonly rereads = true;
  readonly report: ReportForm = { mend: mendReport, marks: /"message-end"/ };
  readonly baseUrl: URL;
  readonly secret: string;

  constructor(private readonly connection: ProviderConnection) {
    this.baseUrl = baseUrlOf(connection, HOME);
    this.secret = credentialOf(connection, 'apiKey');
  }

  outputIn({ max_tokens: most, thinking }: Readonly<Record<string, unknown>>): number | null {
    const { token_budget: budget } = fieldsOf(thinking);
    return typeof most === 'number' ? Math.max(most, typeof budget === 'number' ? budget : 0) : null;
  }

  async load(): Promise<DialectPackage> {
    const { createCohere } = await import('@ai-sdk/cohere');
    const connection = { apiKey: this.secret, baseURL: textOfUrl(this.baseUrl) };
    return {
      translate: cohereCall,
      model: (id, fetch, generateId, prompt) =>
        createCohere({ ...connection, fetch: withToolPlans(prompt, fetch), generateId }).languageModel(id),
    };
  }

  async loadEmbedder(): Promise<Embedder> {
    const { createCohere } = await import('@ai-sdk/cohere');
    const connection = { apiKey: this.secret, baseURL: textOfUrl(this.baseUrl) };
    return {
      mostTexts: () => 96,
      translate: (request) => {
        const { dimensions, inputType } = embeddingOptionsOf(request, EMBEDDING_TRAITS);
        const options = { inputType: inputType ?? USUAL_INPUT_TYPE, outputDimension: dimensions };
        return { providerOptions: optionsFor('cohere', options) };
      },
      model: (id, fetch) => createCohere({ ...connection, fetch }).embeddingModel(id),
      report: { mend: mendEmbeddingReport },
    };
  }

  readError(status: number, headers: Headers, body: unknown): SaidError {
    const { message } = fieldsOf(body);
    return { status, message: textIn(message), type: null, retryAfter: headers.get('retry-after') };
  }

  /** The package leaves out what the model says beside its tool calls. */
  complete({ response }: LanguageModelV4GenerateResult): Completion {
    const { tool_plan: plan } = fieldsOf(fieldsOf(response?.body)['message']);
    const text = textIn(plan);
    return text === null ? {} : { text };
  }

  reread(chunk: unknown): Completion {
    const { type, delta } = fieldsOf(chunk);
    return type === 'tool-plan-delta' ? this.planIn(delta) : {};
  }

  loadModels(http: OutboundHttp): Promise<readonly Model[] | null> {
    const headers = { authorization: `Bearer ${this.secret}` };
    // Models are listed by the first version of the API alone.
    const url = `${textOfUrl(this.baseUrl).replace(/\/v2$/, '/v1')}/models?page_size=1000`;
    return listModels(
      http,
      this.connection,
      url,
      headers,
      ({ models }) => models,
      ({ name }) => (typeof name === 'string' ? { id: name, object: 'model', created: 0, owned_by: 'cohere' } : null),
    );
  }

  private planIn(delta: unknown): Completion {
    const text = textIn(fieldsOf(fieldsOf(delta)['message'])['tool_plan']);
    return text === null ? {} : { text };
  }
}

function mendReport(answer: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { type, delta } = answer;
  if (type === undefined) return { ...answer, usage: plainUsage(answer['usage']) };
  if (type !== 'message-end') return answer;
  const ended = fieldsOf(delta);
  return { ...answer, delta: { ...ended, usage: plainUsage(ended['usage']) } };
}

function mendEmbeddingReport({
  meta,
  ...answer
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { ...answer, meta: { billed_units: plainCounts(fieldsOf(meta)['billed_units'], ['input_tokens']) } };
}

function plainUsage(usage: unknown): Readonly<Record<string, unknown>> {
  // What is billed is not read, and the package refuses it where a part is missing.
  const { billed_units: _billed, tokens, ...others } = fieldsOf(usage);
  return { ...plainCounts(others), tokens: plainCounts(tokens, ['input_tokens', 'output_tokens']) };
}

/** @throws Fault invalid_input, naming the field */
function cohereCall(request: ChatRequest): ReadyCall {
  const { options, images, effort } = translate(request, TRAITS);
  if (effort === null) return { options, images };
  return { options: { ...options, providerOptions: { cohere: { thinking: thinkingOf(effort, options) } } }, images };
}

function thinkingOf(effort: Effort, { maxOutputTokens = USUAL_LIMIT }: CallOptions): Record<string, string | number> {
  if (effort === 'none') return { type: 'disabled' };
  return { type: 'enabled', tokenBudget: budgetOf(effort, maxOutputTokens, 1, PROVIDER) };
}
