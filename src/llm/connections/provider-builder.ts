import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import { aisbreakerProvider, type AisbreakerConnection } from '../providers/aisbreaker/aisbreaker.dialect.js';
import { PROVIDER_FACTORIES } from '../providers/provider-factories.js';
import type {
  ProviderConnection,
  ProviderCredentials,
  ProviderDeps,
  ProviderKind,
  ProviderSettings,
} from '../providers/provider-factory.js';
import type { Provider } from '../providers/provider.js';
import { Tokenizer } from '../tokens/tokenizer.js';

/** A tenant's provider as it is stored. */
export interface StoredProvider {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly baseUrl: string | null;
  readonly models: readonly string[];
  readonly settings: unknown;
}

/** Makes the providers that calls go to, of what is stored. */
@Injectable()
export class ProviderBuilder {
  private readonly timeouts: ProviderDeps['timeouts'];

  constructor(
    private readonly http: OutboundHttp,
    private readonly tokenizer: Tokenizer,
    @Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'firstByteTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs'>,
  ) {
    const { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs } = settings;
    this.timeouts = { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs };
  }

  /**
   * @param mostMs a bound below the service's own
   * @throws Error: this version does not serve its kind
   */
  build(stored: StoredProvider, credentials: ProviderCredentials, mostMs = Infinity): Provider {
    const connection: ProviderConnection = {
      id: stored.id,
      name: ledgerName(stored),
      kind: stored.kind as ProviderKind,
      baseUrl: stored.baseUrl,
      policy: 'tenant',
      credentials,
      settings: stored.settings as ProviderSettings,
      models: stored.models,
    };
    return this.connect(connection, mostMs);
  }

  /** @throws Error as `build` */
  connect(connection: ProviderConnection, mostMs = Infinity): Provider {
    const factory = PROVIDER_FACTORIES[connection.kind];
    if (factory === undefined) throw new Error(`This version serves no provider of the kind ${connection.kind}.`);
    return factory(connection, this.depsWithin(mostMs));
  }

  /** Another server of AIsBreaker's protocol. */
  connectServer(connection: AisbreakerConnection): Provider {
    return aisbreakerProvider(connection, this.depsWithin(Infinity));
  }

  private depsWithin(mostMs: number): ProviderDeps {
    const { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs } = this.timeouts;
    return {
      http: this.http,
      tokenizer: this.tokenizer,
      timeouts: {
        firstByteTimeoutMs: Math.min(firstByteTimeoutMs, mostMs),
        idleTimeoutMs: Math.min(idleTimeoutMs, mostMs),
        totalTimeoutMs: Math.min(totalTimeoutMs, mostMs),
      },
    };
  }
}

/** How the ledger, logs and answers name a tenant's provider, apart from the platform's own. */
export function ledgerName({ kind, name }: Pick<StoredProvider, 'kind' | 'name'>): string {
  return `${kind}/${name}`;
}
