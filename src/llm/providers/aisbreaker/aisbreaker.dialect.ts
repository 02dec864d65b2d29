import { baseUrlOf, credentialOf } from '../bridge/connection.js';
import { translate, type Traits } from '../bridge/call-options.js';
import { fieldsOf, textIn, type Dialect, type DialectPackage } from '../bridge/dialect.js';
import type { SaidError } from '../bridge/failures.js';
import { TranslatedProvider } from '../bridge/translated.provider.js';
import type { ProviderConnection, ProviderDeps } from '../provider-factory.js';
import type { Provider } from '../provider.js';
import { AisbreakerModel } from './aisbreaker.model.js';

const NAME = 'aisbreaker';

/** The protocol has a place for texts, and for nothing else. */
const TRAITS: Traits = {
  provider: NAME,
  namespace: NAME,
  images: false,
  pdfs: false,
  audio: false,
  systemAnywhere: true,
  textBesideToolCalls: false,
  cacheControl: false,
  seed: false,
  penalties: false,
  jsonObject: false,
  jsonSchema: false,
  strictTools: false,
  parallelOff: false,
};

/** Another server of AIsBreaker's protocol, and the one of its services that is asked, as its `service` names it. */
export interface AisbreakerConnection extends Pick<ProviderConnection, 'name' | 'policy' | 'credentials'> {
  readonly baseUrl: string;
  readonly service: Readonly<Record<string, unknown>>;
}

export function aisbreakerProvider({ service, ...given }: AisbreakerConnection, deps: ProviderDeps): Provider {
  const connection = { ...given, kind: NAME, models: [] };
  return new TranslatedProvider(connection, new AisbreakerDialect(given, service), deps);
}

class AisbreakerDialect implements Dialect {
  readonly namespace = NAME;
  readonly fetchesImages = false;
  readonly baseUrl: URL;
  readonly secret: string;

  constructor(
    connection: Pick<AisbreakerConnection, 'baseUrl' | 'credentials'>,
    private readonly service: AisbreakerConnection['service'],
  ) {
    this.baseUrl = baseUrlOf(connection, connection.baseUrl);
    this.secret = credentialOf(connection, 'apiKey');
  }

  /** A request can't say how much may be produced. */
  outputIn(): null {
    return null;
  }

  load(): Promise<DialectPackage> {
    const { baseUrl, secret, service } = this;
    return Promise.resolve({
      translate: (request) => translate(request, TRAITS),
      model: (id, fetch) => new AisbreakerModel(id, fetch, { baseUrl, secret, service }),
    });
  }

  readError(status: number, headers: Headers, body: unknown): SaidError {
    const { message } = fieldsOf(fieldsOf(body)['error']);
    return { status, message: textIn(message), type: null, retryAfter: headers.get('retry-after') };
  }

  loadModels(): Promise<null> {
    return Promise.resolve(null);
  }
}
