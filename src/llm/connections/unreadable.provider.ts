import { Fault } from '../../platform/errors/index.js';
import { ModelCatalogue } from '../models/model-catalogue.js';
import {
  NOTHING_USED,
  type AnswerSink,
  type Attempt,
  type OperationName,
  type Provider,
} from '../providers/provider.js';

/** Stands for a provider whose stored credentials can't be read, so that it alone fails, and says what to do. */
export class UnreadableProvider implements Provider {
  readonly catalogue: ModelCatalogue;
  /** Whatever is asked for, the answer is the same. */
  readonly operations: ReadonlySet<OperationName> = new Set(['chat', 'embeddings', 'responses']);

  constructor(
    readonly name: string,
    readonly kind: string,
    models: readonly string[],
  ) {
    this.catalogue =
      models.length > 0 ? ModelCatalogue.of(name, models) : new ModelCatalogue(name, () => Promise.resolve(null));
  }

  start(_operation: string, _request: object, sink: AnswerSink): Attempt {
    sink.onFailure({ outcome: 'NOT_SENT', error: unreadableCredentials(this.name) });
    return NO_ATTEMPT;
  }
}

export function unreadableCredentials(name: string): Fault {
  return new Fault(
    'unavailable',
    `The credentials of the provider ${name} can't be read; set them again by /api/v1/llm/providers/update.`,
    { code: 'provider_credentials_unreadable', shouldRetry: false },
  );
}

const ignore = (): void => undefined;

const NO_ATTEMPT: Attempt = {
  status: null,
  answeredBy: null,
  complete: false,
  usage: () => NOTHING_USED,
  abort: ignore,
  pause: ignore,
  resume: ignore,
};
