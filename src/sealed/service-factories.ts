import { Fault } from '../platform/errors/index.js';
import type { ProviderKind } from '../llm/index.js';

/** What serves the services whose ids begin with a prefix. */
export interface ServiceFactory {
  /** `task:vendor`; what follows after a slash is the engine. */
  readonly prefix: string;
  readonly vendor: string;
  readonly kind: ProviderKind | 'dummy';
  /** Of a service id that names none. */
  readonly defaultEngine: string;
  /** Where the vendor's API stands on its server. */
  readonly path: string;
}

/** Every factory, as the guide lists them. A secret goes to where the factory's vendor is at home, and nowhere else. */
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
/** Goes on to another server of the same protocol. */
export const NETWORK_SERVICE = 'aisbreaker:network';

export interface FoundService {
  readonly serviceId: string;
  readonly factory: ServiceFactory;
  /** The vendor's own name of the model. */
  readonly engine: string;
  /** Whether the id says which. */
  readonly namesEngine: boolean;
}

/**
 * The factory with the longest prefix serves: whole segments, so that `chat:openai.com.example.org` is none of OpenAI's.
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

/** The vendor's API on another server: the address of that server is enough, and that of the API will do. */
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

/** Names by which OpenAI's clients call models of others, where they say no vendor. */
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
