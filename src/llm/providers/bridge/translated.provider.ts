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
import type { Dialect, DialectPackage } from './dialect.js';
import { TranslatedAttempt } from './translated-attempt.js';

/**
 * A provider with a dialect of its own. Requests and answers are in OpenAI's words here and in the provider's there; what
 * it can't carry is refused before anything is sent, naming the field.
 */
export class TranslatedProvider implements Provider {
  readonly name: string;
  readonly kind: string;
  readonly operations: ReadonlySet<OperationName> = new Set(['chat'] as const);
  readonly catalogue: ModelCatalogue;
  private loaded: DialectPackage | null = null;

  constructor(
    private readonly connection: ProviderConnection,
    private readonly dialect: Dialect,
    private readonly deps: ProviderDeps,
  ) {
    const { name, kind, models } = connection;
    this.name = name;
    this.kind = kind;
    this.catalogue =
      models.length > 0
        ? ModelCatalogue.of(name, models)
        : new ModelCatalogue(name, () => dialect.loadModels(deps.http));
  }

  start<Name extends OperationName>(operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt {
    const { name, policy } = this.connection;
    if (!isRequestOf('chat', operation, request)) throw new Error(`${name} is asked for chat alone.`);
    const attempt = new TranslatedAttempt(request, sink, this.dialect, this.deps, name, policy);
    void attempt.run(this.loaded ?? this.load());
    return attempt;
  }

  private async load(): Promise<DialectPackage> {
    this.loaded = await this.dialect.load();
    return this.loaded;
  }
}
