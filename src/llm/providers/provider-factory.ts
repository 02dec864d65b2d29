import type { OutboundHttp, OutboundPolicy, OutboundRequest } from '../../platform/outbound/index.js';
import type { Tokenizer } from '../tokens/tokenizer.js';
import type { Provider } from './provider.js';

/** The kinds of provider that a tenant can set up. */
export const PROVIDER_KINDS = [
  'openai',
  'openai_compatible',
  'azure_openai',
  'anthropic',
  'google',
  'mistral',
  'amazon_bedrock',
  'cohere',
] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

/** Secrets, for the provider's own code alone: no log, error or answer holds any of them. Which there are, the kind says. */
export interface ProviderCredentials {
  readonly apiKey?: string | undefined;
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
}

/** Settings that differ between kinds and are not secret. The kind says which it has. */
export interface ProviderSettings {
  /** OpenAI: whose usage it is, for keys that belong to several. */
  readonly organization?: string | undefined;
  readonly project?: string | undefined;
  /** OpenAI and compatible servers: whether they have the Responses API. Absent: OpenAI's own alone has. */
  readonly responses?: boolean | undefined;
  /** Azure OpenAI: `api-version`. */
  readonly apiVersion?: string | undefined;
  /** Azure OpenAI: the deployment of each model; one that is not named here is deployed under its own name. */
  readonly deployments?: Readonly<Record<string, string>> | undefined;
  /** Amazon Bedrock. */
  readonly region?: string | undefined;
}

/** A provider as it was set up, by a tenant or by the operator. */
export interface ProviderConnection {
  /** Of the tenant's own; absent: it is the operator's. */
  readonly id?: string;
  /** As the ledger, logs and errors name it. */
  readonly name: string;
  readonly kind: ProviderKind;
  /** Null: the kind's own address. */
  readonly baseUrl: string | null;
  /** Who chose the address. */
  readonly policy: OutboundPolicy;
  readonly credentials: ProviderCredentials;
  readonly settings: ProviderSettings;
  /** The only models that may be named; empty: whatever the provider lists, and what it takes beside that. */
  readonly models: readonly string[];
}

export interface ProviderDeps {
  readonly http: OutboundHttp;
  readonly tokenizer: Tokenizer;
  readonly timeouts: Pick<OutboundRequest, 'firstByteTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs'>;
}

/** Makes the provider of a connection. It asks nothing of the network before its first call. */
export type ProviderFactory = (connection: ProviderConnection, deps: ProviderDeps) => Provider;
