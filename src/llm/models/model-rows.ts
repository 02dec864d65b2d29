import type { TokenFamily } from '../../platform/config/index.js';

/** Dollars for a million tokens, as published: input, cached input, output, input that is written to the cache. */
export type PublishedPrice = readonly [input: string, cachedInput: string, output: string, cacheWrite?: string];

/** `reasoning`: it can think before it answers. */
export type Capability = 'tools' | 'images' | 'json_schema' | 'reasoning';

/** A model as its provider describes it. */
export interface KnownModel {
  readonly id: string;
  readonly family: TokenFamily;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  readonly outputField?: 'max_tokens' | 'max_completion_tokens';
  readonly price?: PublishedPrice;
  /** The price of calls whose prompt is longer than so many tokens. */
  readonly longPrompts?: { readonly above: number; readonly price: PublishedPrice };
  readonly imageTokens?: { readonly most: number; readonly low: number };
  readonly templateTokens?: number;
  readonly limitMustBeWritten?: true;
  readonly cachesUnasked?: true;
  /** Dollars for a million tokens of images that it makes. */
  readonly imageOutput?: string;
  readonly capabilities?: readonly Capability[];
  /** Where the price was read elsewhere, or later, than the others of its page. */
  readonly asOf?: string;
  readonly source?: string;
}

/** Models whose figures were read in one place at one time. */
export interface PricePage {
  readonly asOf: string;
  readonly source: string;
  readonly models: readonly KnownModel[];
}

/** OpenAI's own servers put three tokens before the answer, and no text of theirs. */
export const OPENAI = { family: 'o200k', outputField: 'max_completion_tokens', templateTokens: 16 } as const;
export const OLD_OPENAI = { family: 'cl100k', outputField: 'max_completion_tokens' } as const;
/** Whether these still read o200k's tokens is not published. */
const NEW_OPENAI = { family: 'unknown', outputField: 'max_completion_tokens' } as const;
const CLAUDE = { family: 'claude' } as const;
const GEMINI = { family: 'gemini' } as const;
export const TILES = { most: 1_445, low: 85 };
export const DEAR_TILES = { most: 48_169, low: 2_833 };
/** OpenAI's long prompts begin at 272,000 tokens. */
const LONG_OPENAI = 271_999;

const M = 1_000_000;
const OPENAI_CONTEXT = 1_050_000;

export const ALL = ['tools', 'images', 'json_schema', 'reasoning'] as const;
export const WITHOUT_REASONING = ['tools', 'images', 'json_schema'] as const;
export const WITHOUT_IMAGES = ['tools', 'json_schema', 'reasoning'] as const;
/** Rows that the report of prices (`npm run models:report`) showed to be wrong, and what it compares with. */
export const MENDED = {
  asOf: '2026-11-29',
  source: 'github.com/pydantic/genai-prices 0.1.8, quoting the provider',
} as const;

export function openai6(id: string, price: PublishedPrice, long: PublishedPrice): KnownModel {
  return { ...openai5(id, price, long), ...NEW_OPENAI };
}

export function openai5(id: string, price: PublishedPrice, long?: PublishedPrice): KnownModel {
  const model = {
    ...{ id, ...OPENAI, contextTokens: OPENAI_CONTEXT, maxOutputTokens: 128_000, price, capabilities: ALL },
    // From GPT-5.6 on OpenAI charges for what it writes to its cache.
    ...(price[3] === undefined ? {} : ({ cachesUnasked: true } as const)),
  };
  return long === undefined ? model : { ...model, longPrompts: { above: LONG_OPENAI, price: long } };
}

export function gpt5(id: string, price: PublishedPrice): KnownModel {
  return { id, ...OPENAI, contextTokens: 400_000, maxOutputTokens: 128_000, price, capabilities: ALL };
}

export function gpt41(id: string, price: PublishedPrice, imageTokens?: KnownModel['imageTokens']): KnownModel {
  const capabilities = WITHOUT_REASONING;
  const model = { id, ...OPENAI, contextTokens: 1_047_576, maxOutputTokens: 32_768, price, capabilities };
  return imageTokens === undefined ? model : { ...model, imageTokens };
}

export function gpt4o(id: string, price: PublishedPrice, imageTokens: { most: number; low: number }): KnownModel {
  const capabilities = WITHOUT_REASONING;
  return { id, ...OPENAI, contextTokens: 128_000, maxOutputTokens: 16_384, price, imageTokens, capabilities };
}

export function reasoning(id: string, price: PublishedPrice): KnownModel {
  return { id, ...OPENAI, contextTokens: 200_000, maxOutputTokens: 100_000, price, capabilities: ALL };
}

export function claude(id: string, price: PublishedPrice, maxOutputTokens = 128_000, contextTokens = M): KnownModel {
  return { id, ...CLAUDE, contextTokens, maxOutputTokens, price, capabilities: ALL };
}

/** Those before they could think, or hold to a schema. */
export function plainClaude(id: string, price: PublishedPrice, maxOutputTokens: number): KnownModel {
  return { ...claude(id, price, maxOutputTokens, 200_000), capabilities: ['tools', 'images'] };
}

export function gemini(id: string, price: PublishedPrice): KnownModel {
  return { id, ...GEMINI, contextTokens: 1_048_576, maxOutputTokens: 65_536, price, capabilities: ALL };
}

/** They make images. */
export function geminiImages(
  id: string,
  contextTokens: number,
  price: PublishedPrice,
  imageOutput: string,
): KnownModel {
  const output = { maxOutputTokens: 32_768, imageOutput, capabilities: ['images'] } as const;
  return { id, ...GEMINI, contextTokens, price, ...output, ...MENDED };
}

/** Their output has no limit of its own but the context. */
export function mistral(id: string, contextTokens: number, price: PublishedPrice): KnownModel {
  const capabilities = ['tools', 'json_schema'] as const;
  return { id, family: 'mistral', contextTokens, maxOutputTokens: contextTokens, price, capabilities };
}

/** Some servers of open weights (Ollama, llama.cpp) go on past the context unless the request limits them. */
export function open(id: string, family: TokenFamily, contextTokens: number): KnownModel {
  return { id, family, contextTokens, maxOutputTokens: contextTokens, limitMustBeWritten: true };
}
