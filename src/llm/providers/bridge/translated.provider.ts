import { ModelCatalogue } from '../../models/model-catalogue.js';
import type { ProviderConnection, ProviderDeps } from '../provider-factory.js';
import {
  isRequestOf,
  type AnswerSink,
  type Attempt,
  type OperationName,
  type OperationRequests,
  type Provider,
} from '../provider.js';
import type { EmbeddingsRequest } from '../requests/embeddings-request.js';
import type { Dialect, DialectPackage, Embedder } from './dialect.js';
import { TranslatedEmbeddings } from './translated-embeddings.js';
import { TranslatedAttempt } from './translated-attempt.js';

/** What is the same for all dialects. */
type TranslatedConnection = Pick<ProviderConnection, 'name' | 'policy' | 'models'> & { readonly kind: string };

/**
 * A provider with a dialect of its own. Requests and answers are in OpenAI's words here and in the provider's there; what
 * it can't carry is refused before anything is sent, naming the field.
 */
export class TranslatedProvider implements Provider {
  readonly name: string;
  readonly kind: string;
  readonly operations: ReadonlySet<OperationName>;
  readonly catalogue: ModelCatalogue;
  private loaded: DialectPackage | null = null;
  private embedder: Embedder | null = null;

  constructor(
    private readonly connection: TranslatedConnection,
    private readonly dialect: Dialect,
    private readonly deps: ProviderDeps,
  ) {
    const { name, kind, models } = connection;
    this.name = name;
    this.kind = kind;
    this.operations = new Set(dialect.loadEmbedder === undefined ? ['chat'] : ['chat', 'embeddings']);
    this.catalogue =
      models.length > 0
        ? ModelCatalogue.of(name, models)
        : new ModelCatalogue(name, () => dialect.loadModels(deps.http));
  }

  start<Name extends OperationName>(operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt {
    const { name, policy } = this.connection;
    if (isRequestOf('embeddings', operation, request)) return this.embed(request, sink);
    if (!isRequestOf('chat', operation, request)) throw new Error(`${name} is asked for chat and embeddings alone.`);
    const attempt = new TranslatedAttempt(request, sink, this.dialect, this.deps, name, policy);
    void attempt.run(this.loaded ?? this.load());
    return attempt;
  }

  private embed(request: EmbeddingsRequest, sink: AnswerSink): Attempt {
    const attempt = new TranslatedEmbeddings(request, sink, this.dialect, this.deps, this.connection.policy);
    void attempt.run(this.embedder ?? this.loadEmbedder());
    return attempt;
  }

  private async loadEmbedder(): Promise<Embedder> {
    const embedder = await this.dialect.loadEmbedder?.();
    if (embedder === undefined) throw new Error(`${this.name} makes no embeddings.`);
    this.embedder = embedder;
    return embedder;
  }

  private async load(): Promise<DialectPackage> {
    this.loaded = await this.dialect.load();
    return this.loaded;
  }
}
