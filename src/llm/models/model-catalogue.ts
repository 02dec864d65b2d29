import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';

/** OpenAI's description of a model. */
export interface Model {
  readonly id: string;
  readonly object: 'model';
  /** Unix time in seconds; 0: unknown. */
  readonly created: number;
  readonly owned_by: string;
}

/** Asks the provider; null: it keeps no list, so that any name may be one of its models. */
export type LoadModels = () => Promise<readonly Model[] | null>;

/** Why a provider's list could not be had, in words that its tenant may read. */
export class ModelListError extends Error {
  constructor(
    /** The provider's; null: it did not answer. */
    readonly status: number | null,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ModelListError';
  }
}

/** The result of asking a provider for its list; `models` null: it keeps no list. */
export type AskedForModels =
  | { readonly models: readonly Model[] | null }
  | { readonly failure: { readonly status: number | null; readonly message: string } };

const COULD_NOT_BE_LISTED = "The provider's models could not be listed. Check its address and credentials.";
const REFRESH_AFTER_MS = 10 * 60_000;
const ASK_AGAIN_AFTER_MS = 30_000;

/**
 * The models that a provider serves. A list of the operator's is complete: no other name passes. A provider's own list is for
 * reading alone: variants and deployments are seldom in it, so that any name passes and the provider judges it. It is asked
 * for again in the background every ten minutes, and for an unknown name at most every 30 seconds, one question at a time.
 */
export class ModelCatalogue {
  private known: ReadonlyMap<string, Model> | 'any' | null = null;
  private failed = false;
  private askedAtMs = -Infinity;
  private asking: Promise<void> | null = null;

  constructor(
    private readonly provider: string,
    private readonly load: LoadModels,
    private readonly now: () => number = () => performance.now(),
    /** No name passes that is not in the list. */
    private readonly isClosed = false,
  ) {}

  /** A list that does not change, as an operator wrote it down. */
  static of(provider: string, ids: readonly string[]): ModelCatalogue {
    const models = ids.map((id): Model => ({ id, object: 'model', created: 0, owned_by: provider }));
    return new ModelCatalogue(provider, () => Promise.resolve(models), undefined, true);
  }

  /** Whether a model is served, as far as is known now: `false` may only mean that the list was not asked for yet. Never waits. */
  has(id: string): boolean {
    if (this.known !== 'any' && this.find(id) === null) return false;
    if (this.now() - this.askedAtMs > REFRESH_AFTER_MS) void this.ask();
    return true;
  }

  /** Whether the list has this name; null: there is no list, or none was had yet. Never waits. */
  lists(id: string): boolean | null {
    return this.known === null || this.known === 'any' ? null : this.find(id) !== null;
  }

  /** The list was not asked for yet. After a failure it is not waited for again. */
  get isUnheard(): boolean {
    return this.known === null && !this.failed;
  }

  /** Waits for the first list. */
  async heard(): Promise<void> {
    if (this.isUnheard) await this.ask();
  }

  /** Asks the provider at once, whatever is known, and reports the result. */
  async askNow(): Promise<AskedForModels> {
    try {
      return { models: await this.load() };
    } catch (error) {
      if (!(error instanceof ModelListError)) logger.warn({ err: error, provider: this.provider }, COULD_NOT_BE_LISTED);
      const failure = error instanceof ModelListError ? error : { status: null, message: COULD_NOT_BE_LISTED };
      return { failure };
    }
  }

  /**
   * Settles the question for a model that `has` does not know, without waiting for the provider.
   *
   * @throws Fault not_found
   */
  async assertServed(id: string): Promise<void> {
    const asked = this.ask();
    if (!this.isClosed) return;
    await asked;
    if (!this.has(id)) throw modelNotFound(id);
  }

  /** @throws Fault not_found where there is a list, and no such model in it */
  async get(id: string): Promise<Model> {
    if (!this.has(id)) {
      const asked = this.ask();
      // A provider that could not be asked once is not waited for again.
      if (this.known !== null || !this.failed) await asked;
      if (this.known !== null && !this.has(id)) throw modelNotFound(id);
    }
    return this.find(id) ?? { id, object: 'model', created: 0, owned_by: this.provider };
  }

  /**
   * Every model; empty where the provider keeps no list.
   *
   * @throws Fault upstream_failed where no list could be had yet
   */
  async list(): Promise<readonly Model[]> {
    if (this.known === null) await this.ask();
    else if (this.now() - this.askedAtMs > REFRESH_AFTER_MS) void this.ask();
    if (this.known === null) {
      throw new Fault('upstream_failed', COULD_NOT_BE_LISTED, {
        code: 'upstream_unreachable',
      });
    }
    return this.known === 'any' ? [] : [...this.known.values()];
  }

  /** A name without a tag means `latest` where models have tags. */
  private find(id: string): Model | null {
    if (this.known === null || this.known === 'any') return null;
    return this.known.get(id) ?? this.known.get(`${id}:latest`) ?? null;
  }

  private ask(): Promise<void> {
    if (this.asking !== null) return this.asking;
    if (this.now() - this.askedAtMs < ASK_AGAIN_AFTER_MS) return Promise.resolve();
    this.askedAtMs = this.now();
    this.asking = this.load()
      .then((models) => {
        this.known = models === null ? 'any' : new Map(models.map((model) => [model.id, model]));
        this.failed = false;
      })
      .catch((error: unknown) => {
        this.failed = true;
        logger.warn({ err: error, provider: this.provider }, COULD_NOT_BE_LISTED);
      })
      .finally(() => {
        this.asking = null;
      });
    return this.asking;
  }
}

export function modelNotFound(id: string): Fault {
  return new Fault(
    'not_found',
    `The model \`${id}\` does not exist or you do not have access to it. Use one from GET /v1/models.`,
    {
      code: 'model_not_found',
      fields: [{ field: 'model', reason: 'is unknown' }],
    },
  );
}
