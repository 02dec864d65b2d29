import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { Places } from '../../platform/shares/index.js';
import { KnownModels } from '../models/model-facts.js';
import type { AnswerSink, Attempt, Provider, ProviderFailure } from '../providers/provider.js';
import { parseChatRequest, type ChatRequest } from '../providers/requests/chat-request.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import type { ProviderTestView } from './providers.dto.js';

/** Some models take no smaller limit, and thinking models do not answer within a smaller one. */
const OUTPUT_TOKENS = 16;
const MAX_MESSAGE_LENGTH = 500;
/** A tester waits for the answer and holds one of few places. */
export const TEST_TIMEOUT_MS = 15_000;

/** Makes the cheapest real call of a provider, and reports the outcome. */
@Injectable()
export class ProviderTester {
  private readonly places = new Places({
    what: 'tests of providers',
    most: 32,
    ofTenant: 2,
    ofOrg: 4,
    ofTenantSetting: 'GATEHOUSE_TENANT_CALLS',
    ofOrgSetting: 'GATEHOUSE_ORG_CALLS',
    allSetting: 'GATEHOUSE_PROVIDER_CALLS',
  });

  constructor(
    private readonly database: Database,
    private readonly models: KnownModels,
    private readonly tokenizer: Tokenizer,
  ) {}

  /**
   * @param model what to ask a few tokens of; null: the list of models, which costs nothing
   * @throws Fault rate_limited: two tests of the tenant are under way; invalid_input: the provider keeps no list, so that a
   *   model must be named
   */
  async test(tenantId: string, provider: Provider, model: string | null): Promise<ProviderTestView> {
    const owned = this.database.ownerOf(tenantId);
    const owner = owned instanceof Promise ? await owned : owned;
    this.places.take(owner);
    try {
      return model === null ? await askForModels(provider) : await this.askModel(provider, model);
    } finally {
      this.places.leave(owner);
    }
  }

  private async askModel(provider: Provider, model: string): Promise<ProviderTestView> {
    if (!this.tokenizer.isLoaded) await this.tokenizer.load();
    const sink = new TestSink();
    const attempt = provider.start('chat', this.requestOf(provider, model), sink);
    const failure = await sink.over;
    attempt.abort();
    const { statusCode, message } = whatCame(failure, attempt);
    return { ok: failure === null, ...(statusCode === null ? {} : { statusCode }), message, model };
  }

  private requestOf(provider: Provider, model: string): ChatRequest {
    const isOpenai = provider.kind === 'openai' || provider.kind === 'azure_openai';
    const limit = this.models.find(model)?.outputField ?? (isOpenai ? 'max_completion_tokens' : 'max_tokens');
    const body = { model, messages: [{ role: 'user', content: 'Hi' }], [limit]: OUTPUT_TOKENS };
    return parseChatRequest(Buffer.from(JSON.stringify(body)));
  }
}

async function askForModels({ catalogue }: Provider): Promise<ProviderTestView> {
  const listed = await catalogue.askNow();
  if ('models' in listed) {
    if (listed.models === null)
      throw invalidField('model', 'is required: the provider has no list of models to ask for instead');
    return { ok: true, statusCode: 200, message: `The provider listed ${listed.models.length} models.` };
  }
  const { status: statusCode, message } = listed.failure;
  return { ok: false, ...(statusCode === null ? {} : { statusCode }), message: cut(message) };
}

function whatCame(
  failure: ProviderFailure | null,
  { status }: Attempt,
): { statusCode: number | null; message: string } {
  if (failure === null) return { statusCode: status, message: 'The provider answered.' };
  const { error, said } = failure;
  if (error instanceof Fault) return { statusCode: status, message: cut(said ?? error.message) };
  return { statusCode: error.status, message: cut(error.body.error.message) };
}

function cut(message: string): string {
  return message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message;
}

/** Waits for the end of a test; what the model said is dropped. */
class TestSink implements AnswerSink {
  private end: (failure: ProviderFailure | null) => void = () => undefined;
  /** Null: it answered. */
  readonly over = new Promise<ProviderFailure | null>((resolve) => {
    this.end = resolve;
  });

  onJson(): void {
    this.end(null);
  }

  onStreamData(): void {
    // Its end is waited for.
  }

  onStreamEnd(): void {
    this.end(null);
  }

  onFailure(failure: ProviderFailure): void {
    this.end(failure);
  }

  onLate(): boolean {
    return false;
  }
}
