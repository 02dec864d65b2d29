import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { DummyProvider } from '../providers/dummy/dummy.provider.js';
import type { ProviderKind } from '../providers/provider-factory.js';
import type { Provider } from '../providers/provider.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { CallersProvider } from './callers-provider.js';
import { ProviderBuilder } from './provider-builder.js';

/** The provider that a caller brings. */
interface BroughtProvider {
  readonly kind: ProviderKind | 'dummy';
  /** As the ledger names it. */
  readonly name: string;
  readonly apiKey: string;
  /** One of those that the operator allows; null: the kind's own address, and `OPENAI_BASE_URL` for OpenAI. */
  readonly baseUrl: string | null;
}

/** A service of another server, which is asked with the caller's own token. */
interface BroughtServer {
  readonly name: string;
  readonly token: string;
  /** Of those that the operator allows. */
  readonly baseUrl: string;
  /** As that server's protocol names it. */
  readonly service: Readonly<Record<string, unknown>>;
}

/** Makes the providers of callers who bring a credential with the call. */
@Injectable()
export class BroughtProviders {
  constructor(
    private readonly builder: ProviderBuilder,
    private readonly tokenizer: Tokenizer,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'openaiBaseUrl' | 'openaiResponses'>,
  ) {}

  build({ kind, name, apiKey, baseUrl }: BroughtProvider): Provider {
    if (kind === 'dummy') return new DummyProvider(this.tokenizer);
    const { openaiBaseUrl, openaiResponses } = this.settings;
    const isOperators = kind === 'openai' && baseUrl === null;
    const provider = this.builder.connect({
      name,
      kind,
      baseUrl: isOperators ? openaiBaseUrl : baseUrl,
      policy: isOperators || baseUrl !== null ? 'operator' : 'tenant',
      credentials: { apiKey },
      settings: isOperators && openaiResponses !== 'auto' ? { responses: openaiResponses === 'on' } : {},
      models: [],
    });
    return new CallersProvider(provider);
  }

  /** Another server of AIsBreaker's protocol. */
  buildServer({ name, token, baseUrl, service }: BroughtServer): Provider {
    const credentials = { apiKey: token };
    return new CallersProvider(this.builder.connectServer({ name, policy: 'operator', credentials, baseUrl, service }));
  }
}
