import { text as textOf } from 'node:stream/consumers';
import { OperatorError } from '../../platform/errors/index.js';
import { fields, print, show, table, type OutputOptions } from './command-output.js';
import { ServiceApi, type Caller } from './service-api.js';

interface ProviderView {
  readonly providerId: string;
  readonly name: string;
  readonly kind: string;
  readonly baseUrl?: string;
  readonly models: readonly string[];
  readonly status: string;
  readonly credentialsSetAt?: string;
}

interface ProviderTest {
  readonly ok: boolean;
  readonly statusCode?: number;
  readonly message: string;
}

type Options = OutputOptions & Caller;

export async function listProviders(options: Options & { readonly most: number }): Promise<void> {
  const providers = await ServiceApi.use(options, (api) =>
    api.list<ProviderView>('llm/providers/list', 'providers', options.most),
  );
  show(options, { providers }, () =>
    table(
      ['provider id', 'name', 'kind', 'status', 'credentials', 'models'],
      providers.map(({ providerId, name, kind, status, credentialsSetAt, models }) => [
        ...[providerId, name, kind, status, credentialsSetAt === undefined ? 'none' : 'set', models.join(' ') || 'any'],
      ]),
    ),
  );
}

export interface NewProvider extends Options {
  readonly kind: string;
  readonly baseUrl?: string;
  readonly model?: readonly string[];
  readonly apiKeyStdin?: boolean;
}

/** A key comes by standard input alone: a command line shows in the list of processes and in the shell's history. */
export async function createProvider(name: string, options: NewProvider): Promise<void> {
  const { kind, baseUrl, model, apiKeyStdin } = options;
  const apiKey = apiKeyStdin ? (await textOf(process.stdin)).trim() : undefined;
  if (apiKey === '')
    throw new OperatorError('Standard input is empty: pipe the API key in, or leave --api-key-stdin out.');
  const body = { name, kind, baseUrl, models: model, ...(apiKey === undefined ? {} : { credentials: { apiKey } }) };
  const { provider } = await ServiceApi.use(options, (api) =>
    api.post<{ provider: ProviderView }>('llm/providers/create', body),
  );
  show(options, provider, () =>
    fields([
      ['Provider', provider.providerId],
      ['Name', provider.name],
      ['Next', `\`gatehouse providers test ${provider.providerId}\` makes the cheapest real call`],
    ]),
  );
}

/** Fails where the provider did, so that a script sees it. */
export async function testProvider(providerId: string, options: Options & { readonly model?: string }): Promise<void> {
  const answer = await ServiceApi.use(options, (api) =>
    api.post<ProviderTest>('llm/providers/test', { providerId, model: options.model }),
  );
  show(options, answer, () => {
    const status = answer.statusCode === undefined ? '' : ` (${answer.statusCode})`;
    return `${answer.ok ? 'ok' : 'FAILED'}${status}  ${answer.message}`;
  });
  if (!answer.ok) process.exitCode = 1;
}

export async function enableProvider(providerId: string, options: Options, enabled: boolean): Promise<void> {
  const { provider } = await ServiceApi.use(options, (api) =>
    api.post<{ provider: ProviderView }>('llm/providers/update', { providerId, enabled }),
  );
  if (options.json) show(options, provider, () => '');
  else print(`${provider.name} is ${provider.status.toLowerCase()}.`);
}

export async function deleteProvider(providerId: string, options: Options): Promise<void> {
  await ServiceApi.use(options, (api) => api.post('llm/providers/delete', { providerId }));
  if (options.json) show(options, { deleted: providerId }, () => '');
  else print(`${providerId} is deleted.`);
}
