import type { OperationName, OperationRequests } from '../provider.js';
import type { ProviderConnection } from '../provider-factory.js';
import type { AnswerWords } from './answer-words.js';

const OPENAI_BASE_URL = 'https://api.openai.com/v1';
const OPENAI_HOST = 'api.openai.com';
const WITH_RESPONSES: ReadonlySet<OperationName> = new Set(['chat', 'embeddings', 'responses']);

/** In what the kinds that speak OpenAI's dialect differ. */
export interface OpenaiWire {
  readonly origin: string;
  /** Who asks; with the credential, so that no log may hold them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where models are listed; null: nowhere. */
  readonly modelsPath: string | null;
  /** What can be asked for. Absent: chat and embeddings. */
  readonly operations?: ReadonlySet<OperationName>;
  /** @throws Fault invalid_input: the model's name can't stand there */
  pathOf(path: string, model: string): string;
  /** True: a stream reports its usage unasked, and the server would refuse the request for it. */
  readonly reportsUsageUnasked?: true;
  /** The kind's own words in its answers. Absent: they are OpenAI's. */
  readonly words?: AnswerWords;
  /** The request in the kind's own words. Absent: they are OpenAI's. */
  rewrite?<Name extends OperationName>(operation: Name, request: OperationRequests[Name]): OperationRequests[Name];
}

/** OpenAI itself, and every server that is compatible with it. */
export function openaiWire({ baseUrl, credentials, settings }: ProviderConnection): OpenaiWire {
  const base = new URL(baseUrl ?? OPENAI_BASE_URL);
  return {
    origin: base.origin,
    headers: {
      ...(credentials.apiKey === undefined ? {} : { authorization: `Bearer ${credentials.apiKey}` }),
      ...(settings.organization === undefined ? {} : { 'openai-organization': settings.organization }),
      ...(settings.project === undefined ? {} : { 'openai-project': settings.project }),
    },
    modelsPath: pathBelow(base, '/models'),
    ...((settings.responses ?? base.hostname === OPENAI_HOST) ? { operations: WITH_RESPONSES } : {}),
    pathOf: (path) => pathBelow(base, path),
  };
}

/** A path below a base address, whose query (Azure's API version) stays. */
export function pathBelow(base: URL, path: string): string {
  return base.pathname.replace(/\/+$/, '') + path + base.search;
}
