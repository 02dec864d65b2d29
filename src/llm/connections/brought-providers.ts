import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { DummyProvider } from '../providers/dummy/dummy.provider.js';
import type { ProviderKind } from '../providers/provider-factory.js';
import type { Provider } from '../providers/provider.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { CallersProvider } from './callers-provider.js';
import { ProviderBuilder } from './provider-builder.js';

/** Makes the providers of callers who bring a credential with the call. */
@Injectable()
export class BroughtProviders {
  constructor(
    private readonly builder: ProviderBuilder,
    private readonly tokenizer: Tokenizer,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'openaiBaseUrl' | 'openaiResponses'>,
  ) {}

  /**
   * A provider where its kind is at home; OpenAI's is where the operator says.
   *
   * @param name as the ledger names it
   */
  build(kind: ProviderKind | 'dummy', name: string, apiKey: string): Provider {
    if (kind === 'dummy') return new DummyProvider(this.tokenizer);
    const { openaiBaseUrl, openaiResponses } = this.settings;
    const isOpenai = kind === 'openai';
    const provider = this.builder.connect({
      name,
      kind,
      baseUrl: isOpenai ? openaiBaseUrl : null,
      policy: isOpenai ? 'operator' : 'tenant',
      credentials: { apiKey },
      settings: isOpenai && openaiResponses !== 'auto' ? { responses: openaiResponses === 'on' } : {},
      models: [],
    });
    return new CallersProvider(provider);
  }
}
