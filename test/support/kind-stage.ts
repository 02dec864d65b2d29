/** One kind's provider, as a tenant's connection has it, with its stand-in: set-up and tear-down for the specs of a kind. */
import { PROVIDER_FACTORIES } from '../../src/llm/providers/provider-factories.js';
import type { ProviderConnection, ProviderDeps } from '../../src/llm/providers/provider-factory.js';
import type { Provider } from '../../src/llm/providers/provider.js';
import type { Kind } from './kinds.js';
import { ask, begin, type Asked } from './recorded-sink.js';
import { HI, TranslatedStage } from './translated.js';
import { WireUpstream } from './wire-upstream.js';

export class KindStage {
  private started: { readonly stage: TranslatedStage; readonly upstream: WireUpstream } | null = null;
  private own: Provider | null = null;

  constructor(readonly kind: Kind) {}

  get upstream(): WireUpstream {
    return this.running.upstream;
  }

  get provider(): Provider {
    return (this.own ??= this.another());
  }

  get logged(): string {
    return this.running.stage.logged;
  }

  /** A provider of the kind with other settings. */
  another(changes: Partial<ProviderConnection> = {}, deps: Partial<ProviderDeps> = {}): Provider {
    const { kind, path, credentials, settings } = this.kind;
    const connection = { kind, baseUrl: this.upstream.origin + path, credentials, settings, ...changes };
    return this.running.stage.provider(PROVIDER_FACTORIES[kind]!, connection, deps);
  }

  chat(fields: object = {}): object {
    return { model: this.kind.model, messages: HI, ...fields };
  }

  /** Runs a chat completion to its end. */
  ask(fields: object = {}, provider = this.provider): Promise<Asked> {
    return ask(provider, this.chat(fields));
  }

  begin(fields: object = {}, provider = this.provider): Asked {
    return begin(provider, this.chat(fields));
  }

  async start(): Promise<void> {
    this.started = { stage: new TranslatedStage(), upstream: await WireUpstream.start(this.kind.says()) };
  }

  /** Forgets earlier requests. A field that a package would drop with a warning must be refused before the package is called. */
  reset(): void {
    this.upstream.reset();
    expect(this.running.stage.warnings).toEqual([]);
  }

  async close(): Promise<void> {
    await this.upstream.close();
    await this.running.stage.close();
  }

  private get running(): NonNullable<typeof this.started> {
    if (this.started === null) throw new Error('The stage has not started yet.');
    return this.started;
  }
}

/** A stage that starts and stops with the tests around it. */
export function stageOf(kind: Kind): KindStage {
  const stage = new KindStage(kind);
  beforeAll(() => stage.start());
  afterEach(() => stage.reset());
  afterAll(() => stage.close());
  return stage;
}
