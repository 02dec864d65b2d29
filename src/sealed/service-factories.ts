import { Fault } from '../platform/errors/index.js';
import type { ProviderKind } from '../llm/index.js';

/** Serves the services whose ids begin with a prefix. */
export interface ServiceFactory {
  /** `task:vendor`; the engine follows after a slash. */
  readonly prefix: string;
  readonly vendor: string;
  readonly kind: ProviderKind | 'dummy';
  /** For a service id that names no engine. */
  readonly defaultEngine: string;
  /** The path of the vendor's API on its server. */
  readonly path: string;
}

/** Every factory, in the order of the guide. A secret is sent to the factory's vendor alone. */
export const SERVICE_FACTORIES: readonly ServiceFactory[] = [
  { prefix: 'chat:openai.com', vendor: 'openai.com', kind: 'openai', defaultEngine: 'gpt-4o-mini', path: '/v1' },
  {
    prefix: 'chat:anthropic.com',
    vendor: 'anthropic.com',
    kind: 'anthropic',
    defaultEngine: 'claude-haiku-4-5',
    path: '/v1',
  },
  {
    prefix: 'chat:google.com',
    vendor: 'google.com',
    kind: 'google',
    defaultEngine: 'gemini-2.5-flash',
    path: '/v1beta',
  },
  {
    prefix: 'chat:mistral.ai',
    vendor: 'mistral.ai',
    kind: 'mistral',
    defaultEngine: 'mistral-small-latest',
    path: '/v1',
  },
  { prefix: 'chat:cohere.com', vendor: 'cohere.com', kind: 'cohere', defaultEngine: 'command-a-03-2025', path: '/v2' },
  { prefix: 'chat:dummy', vendor: 'dummy', kind: 'dummy', defaultEngine: 'dummy', path: '' },
];

const DUMMY_SERVICE = 'chat:dummy';
/** Forwards to another server of the same protocol. */
export const NETWORK_SERVICE = 'aisbreaker:network';

export interface FoundService {
  readonly serviceId: string;
  readonly factory: ServiceFactory;
  /** The vendor's name of the model. */
  readonly engine: string;
  /** Whether the service id names the engine. */
  readonly namesEngine: boolean;
}

/**
 * The factory with the longest prefix. Prefixes match whole segments: `chat:openai.com.example.org` is not OpenAI's.
 *
 * @throws Fault not_found
 */
export function serviceOf(serviceId: string): FoundService {
  const factory = SERVICE_FACTORIES.filter(
    ({ prefix }) => serviceId === prefix || serviceId.startsWith(`${prefix}/`),
  ).sort((one, other) => other.prefix.length - one.prefix.length)[0];
  if (factory === undefined) {
    throw new Fault('not_found', `No factory registered for serviceId '${shown(serviceId)}'`, {
      code: 'unknown_service',
      fields: [{ field: 'serviceId', reason: 'is served by no factory' }],
    });
  }
  const engine = serviceId.slice(factory.prefix.length + 1);
  return { serviceId, factory, engine: engine || factory.defaultEngine, namesEngine: engine !== '' };
}

/** The vendor's API on another server. The URL may be that of the server or that of the API. */
export function baseUrlAt(url: string, { path }: Pick<ServiceFactory, 'path'>): string {
  return url.endsWith(path) ? url : url + path;
}

/** What a service id says after its vendor; all of it where it says none. */
export function engineIn(serviceId: string): string {
  const slash = serviceId.indexOf('/');
  return slash === -1 ? serviceId : serviceId.slice(slash + 1);
}

const MOST_SHOWN = 200;

export function shown(serviceId: string): string {
  return serviceId.length <= MOST_SHOWN ? serviceId : `${serviceId.slice(0, MOST_SHOWN)}…`;
}

/** Names by which OpenAI's clients call other vendors' models without naming the vendor. */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/^claude-/, 'anthropic.com'],
  [/^gemini-/, 'google.com'],
  [/^(?:mistral|magistral|ministral|codestral|pixtral|devstral|voxtral)-/, 'mistral.ai'],
  [/^(?:command|c4ai)-/, 'cohere.com'],
];

/** The service that a `model` of OpenAI's clients stands for. */
export function serviceIdOfModel(model: string): string {
  if (/^(?:chat|aisbreaker):/.test(model)) return model;
  if (model === 'dummy') return DUMMY_SERVICE;
  const [vendor = '', ...engine] = model.split('/');
  if (engine.length > 0) {
    const named = SERVICE_FACTORIES.find((one) => one.vendor === vendor || one.kind === vendor);
    if (named !== undefined) return `${named.prefix}/${engine.join('/')}`;
  }
  const family = FAMILIES.find(([pattern]) => pattern.test(model))?.[1] ?? 'openai.com';
  return `chat:${family}/${model}`;
}
