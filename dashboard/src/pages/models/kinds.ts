import type { Gateway } from '../../api/types.js';

export type ProviderKind = Gateway['providers'][number]['provider'];

export const KINDS = [
  ['openai', 'OpenAI'],
  ['openai_compatible', 'OpenAI-compatible'],
  ['azure_openai', 'Azure OpenAI'],
  ['anthropic', 'Anthropic'],
  ['google', 'Google'],
  ['mistral', 'Mistral'],
  ['cohere', 'Cohere'],
  ['amazon_bedrock', 'Amazon Bedrock'],
] as const satisfies readonly (readonly [ProviderKind, string])[];

const NAMES = new Map<string, string>(KINDS);

export const nameOfKind = (kind: string): string => NAMES.get(kind) ?? kind;
