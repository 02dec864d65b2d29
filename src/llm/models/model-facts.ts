import { Inject, Injectable } from '@nestjs/common';
import {
  picoUsdPerToken,
  SETTINGS_TOKEN,
  type ConfiguredModel,
  type Settings,
  type TokenFamily,
} from '../../platform/config/index.js';
import { ALIASES, KNOWN_MODELS } from './known-models.js';
import type { Capability, KnownModel, PublishedPrice } from './model-rows.js';

export type { TokenFamily };

/** Per token, in millionths of a micro-dollar (10^-12 USD). */
export interface TokenPrice {
  readonly inputPicoUsd: bigint;
  readonly cachedInputPicoUsd: bigint;
  /** Of input that the provider writes to its cache. Absent: as other input. */
  readonly cacheWritePicoUsd?: bigint;
  readonly outputPicoUsd: bigint;
}

export interface ModelPrice extends TokenPrice {
  /** When the price was true, and where it was published. */
  readonly asOf: string;
  readonly source: string;
  /** What all of a call costs whose prompt is longer than so many tokens, cached ones included. */
  readonly longPrompts?: TokenPrice & { readonly aboveTokens: number };
  /** The provider writes to its cache without being asked: any of a prompt's tokens may be one of those. */
  readonly cachesUnasked?: true;
  /** Of the tokens of an image that the model makes. Those are not told apart, so that all output costs as much. */
  readonly imageOutputPicoUsd?: bigint;
}

export interface ModelFacts {
  readonly id: string;
  /** Whose tokenizer the model's texts are counted by. */
  readonly family: TokenFamily;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  /** The provider may not enforce the model's limit: it counts only where it is written into the request. */
  readonly limitMustBeWritten?: true;
  /** The field by which the model takes an output limit. */
  readonly outputField: 'max_tokens' | 'max_completion_tokens';
  readonly price: ModelPrice | null;
  /** What one image comes to at most, and in low detail. Absent: unpublished for this model. */
  readonly imageTokens?: { readonly most: number; readonly low: number };
  /** What the provider's own server puts before the messages, at most. Absent: the model family decides. */
  readonly templateTokens?: number;
  /** Whether the tokens that the model thinks in are in what it shows. Absent: not known. */
  readonly reasoning?: 'shown' | 'hidden';
  /** What the model takes and does. Absent: not known. */
  readonly capabilities?: readonly Capability[];
}

/** Facts by a model's name. */
export interface ModelFactsByName {
  /** Null: nothing is known. */
  find(model: string): ModelFacts | null;
}

/** Vendors' names before a model's, as routers and registries write them. */
const VENDOR =
  /^(?:openai|anthropic|google|gemini|mistralai|mistral|deepseek-ai|deepseek|meta-llama|qwen|models)\/(?=[^/]+$)/i;

/** The source of prices that the operator wrote down. */
const OPERATORS = 'GATEHOUSE_MODELS';
/** The source of prices that a tenant wrote down. */
export const TENANTS = 'llm/models/update';

/** Whether the operator or the tenant wrote the price down for a name, whatever model answers behind it. */
export function isWrittenDown({ source }: ModelPrice): boolean {
  return source === OPERATORS || source === TENANTS;
}

/** Models that think in tokens which are billed and never shown: by their names, for those too that are not in the list. */
const HIDES_REASONING =
  /^(?:ft:)?(?:[\w-]+\/)?(?:o\d|gpt-(?:[5-9]|\d\d)|gemini-(?:2\.5|[3-9]|(?:flash|pro)[\w-]*-latest)|grok-(?:[4-9]|code|3-mini))/i;
/** Models in the list that do not think, on any server. Claude and open weights may think, and servers may hide it. */
const SHOWS_ALL =
  /^(?:gpt-3\.5|gpt-4|claude-3-(?:5|haiku)|mistral|mixtral|ministral|codestral|devstral|pixtral|deepseek-chat|llama|qwen2|gemma)/;

/** Whether a model thinks in tokens that it does not show, so that an answer comes only after them. */
export function hidesReasoning(model: string, facts: ModelFacts | null): boolean {
  return facts?.reasoning === undefined ? HIDES_REASONING.test(model) : facts.reasoning === 'hidden';
}

/** Of a model that is not known the name tells whether it is OpenAI's, which refuses the two fields side by side. */
const OPENAI_NAME = /^(?:openai\/)?(?:ft:)?(?:gpt-(?!oss)|o\d|chatgpt-)/;

/** The field of a chat by which a model takes an output limit. */
export function outputFieldOf(model: string, facts: ModelFacts | null): ModelFacts['outputField'] {
  return facts?.outputField ?? (OPENAI_NAME.test(model) ? 'max_completion_tokens' : 'max_tokens');
}

/** Whether only the provider's own report is sure to tell what was used: of every model that is not known to show it all. */
export function mayHideReasoning(facts: ModelFacts | null): boolean {
  return facts?.reasoning !== 'shown';
}

/** The built-in dummy: no network, no cost; its own limits are far below these. */
const DUMMY: ModelFacts = {
  id: 'dummy',
  family: 'o200k',
  contextTokens: 100_000_000,
  maxOutputTokens: 100_000,
  outputField: 'max_completion_tokens',
  templateTokens: 8,
  reasoning: 'shown',
  price: {
    inputPicoUsd: 0n,
    cachedInputPicoUsd: 0n,
    outputPicoUsd: 0n,
    asOf: '2026-11-21',
    source: 'gatehouse, docs/decisions/0011',
  },
};

/**
 * What is known of models: the operator's own words (`GATEHOUSE_MODELS`) before the built-in ones. A name that leads to
 * one of several models has the dearest and loosest facts of all of them, since which one answers is known only after.
 */
@Injectable()
export class KnownModels implements ModelFactsByName {
  private readonly facts = new Map<string, ModelFacts>();

  constructor(@Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'models'>) {
    for (const { models, asOf, source } of KNOWN_MODELS) {
      for (const model of models) this.facts.set(model.id, factsOf(model, asOf, source));
    }
    this.facts.set(DUMMY.id, DUMMY);
    for (const [alias, targets] of Object.entries(ALIASES)) {
      this.facts.set(
        alias,
        dearest(
          alias,
          targets.flatMap((id) => this.facts.get(id) ?? []),
        ),
      );
    }
    for (const model of settings.models) this.facts.set(model.id, factsOfConfigured(model));
  }

  /** By the name as it stands; else without the tag `latest`, a size after a colon, or a vendor's name before it. */
  find(model: string): ModelFacts | null {
    const exact = this.facts.get(model);
    if (exact !== undefined) return exact;
    const bare = model.replace(VENDOR, '');
    return this.facts.get(bare) ?? this.facts.get(bare.replace(/:latest$/, '')) ?? this.openWeights(bare);
  }

  /** `llama3.1:70b`, as Ollama tags open weights: the tag changes nothing that is known here, since no price is. */
  private openWeights(name: string): ModelFacts | null {
    const facts = this.facts.get(name.replace(/:[\w.-]+$/, ''));
    return facts !== undefined && facts.price === null ? facts : null;
  }
}

function factsOf(model: KnownModel, asOf: string, source: string): ModelFacts {
  const {
    id,
    family,
    contextTokens,
    maxOutputTokens,
    outputField = 'max_tokens',
    price,
    longPrompts,
    imageTokens,
    templateTokens,
    imageOutput,
    capabilities,
  } = model;
  return {
    id,
    family,
    contextTokens,
    maxOutputTokens,
    outputField,
    price:
      price === undefined
        ? null
        : {
            ...tokenPrice(price, imageOutput),
            asOf: model.asOf ?? asOf,
            source: model.source ?? source,
            ...(model.cachesUnasked === true ? UNASKED : {}),
            ...(imageOutput === undefined ? {} : { imageOutputPicoUsd: picoUsdPerToken(imageOutput) }),
            ...(longPrompts === undefined
              ? {}
              : { longPrompts: { aboveTokens: longPrompts.above, ...tokenPrice(longPrompts.price) } }),
          },
    ...(imageTokens === undefined ? {} : { imageTokens }),
    ...(templateTokens === undefined ? {} : { templateTokens }),
    ...(model.limitMustBeWritten === true ? MUST_BE_WRITTEN : {}),
    ...reasoningBy(id),
    ...(capabilities === undefined ? {} : { capabilities }),
  };
}

/** Who writes a price for cache writes down does not say when they happen. */
export const UNASKED = { cachesUnasked: true } as const;
export const MUST_BE_WRITTEN = { limitMustBeWritten: true } as const;

function reasoningBy(id: string): Pick<ModelFacts, 'reasoning'> {
  if (SHOWS_ALL.test(id)) return { reasoning: 'shown' };
  return HIDES_REASONING.test(id) ? { reasoning: 'hidden' } : {};
}

function tokenPrice([input, cachedInput, output, cacheWrite]: PublishedPrice, imageOutput = '0'): TokenPrice {
  return {
    inputPicoUsd: picoUsdPerToken(input),
    cachedInputPicoUsd: picoUsdPerToken(cachedInput),
    ...(cacheWrite === undefined ? {} : { cacheWritePicoUsd: picoUsdPerToken(cacheWrite) }),
    outputPicoUsd: most(picoUsdPerToken(output), picoUsdPerToken(imageOutput)),
  };
}

function factsOfConfigured({
  id,
  family,
  contextTokens,
  maxOutputTokens,
  outputField,
  price,
  hidesReasoning: hides,
}: ConfiguredModel): ModelFacts {
  return {
    id,
    family,
    contextTokens,
    maxOutputTokens,
    outputField,
    price:
      price === null
        ? null
        : { ...price, source: OPERATORS, ...(price.cacheWritePicoUsd === undefined ? {} : UNASKED) },
    ...MUST_BE_WRITTEN,
    ...(hides === null ? {} : { reasoning: hides ? 'hidden' : 'shown' }),
  };
}

/** Each fact of several models that binds the least: what holds whichever of them answers. */
export function dearest(id: string, targets: readonly ModelFacts[]): ModelFacts {
  const [first, ...others] = targets;
  if (first === undefined) throw new Error(`The alias ${id} has no target.`);
  return others.reduce(
    (sum, facts) => ({
      id,
      family: sum.family === facts.family ? sum.family : 'unknown',
      contextTokens: Math.max(sum.contextTokens, facts.contextTokens),
      maxOutputTokens: Math.max(sum.maxOutputTokens, facts.maxOutputTokens),
      outputField: sum.outputField === facts.outputField ? sum.outputField : 'max_tokens',
      ...(sum.limitMustBeWritten === true || facts.limitMustBeWritten === true ? MUST_BE_WRITTEN : {}),
      ...reasoningOf(sum, facts),
      ...capabilitiesOf(sum, facts),
      price: sum.price === null || facts.price === null ? null : dearestPrice(sum.price, facts.price),
      ...(sum.templateTokens === undefined || facts.templateTokens === undefined
        ? {}
        : { templateTokens: Math.max(sum.templateTokens, facts.templateTokens) }),
      ...(sum.imageTokens === undefined || facts.imageTokens === undefined
        ? {}
        : {
            imageTokens: {
              most: Math.max(sum.imageTokens.most, facts.imageTokens.most),
              low: Math.max(sum.imageTokens.low, facts.imageTokens.low),
            },
          }),
    }),
    { ...first, id },
  );
}

function reasoningOf({ reasoning: one }: ModelFacts, { reasoning: other }: ModelFacts): Pick<ModelFacts, 'reasoning'> {
  if (one === 'hidden' || other === 'hidden') return { reasoning: 'hidden' };
  return one === 'shown' && other === 'shown' ? { reasoning: 'shown' } : {};
}

/** What all of them can do. */
function capabilitiesOf(
  { capabilities: one }: ModelFacts,
  { capabilities: other }: ModelFacts,
): Pick<ModelFacts, 'capabilities'> {
  if (one === undefined || other === undefined) return {};
  return { capabilities: one.filter((capability) => other.includes(capability)) };
}

function dearestPrice(one: ModelPrice, other: ModelPrice): ModelPrice {
  const long =
    one.longPrompts === undefined && other.longPrompts === undefined
      ? {}
      : {
          longPrompts: {
            aboveTokens: Math.min(one.longPrompts?.aboveTokens ?? Infinity, other.longPrompts?.aboveTokens ?? Infinity),
            ...dearestOf(one.longPrompts ?? one, other.longPrompts ?? other),
          },
        };
  // The older of the two dates: the whole was last checked then.
  const { asOf, source } = one.asOf <= other.asOf ? one : other;
  const unasked = one.cachesUnasked === true || other.cachesUnasked === true;
  return { ...dearestOf(one, other), asOf, source, ...(unasked ? UNASKED : {}), ...long };
}

function dearestOf(one: TokenPrice, other: TokenPrice): TokenPrice {
  return {
    inputPicoUsd: most(one.inputPicoUsd, other.inputPicoUsd),
    cachedInputPicoUsd: most(one.cachedInputPicoUsd, other.cachedInputPicoUsd),
    ...(one.cacheWritePicoUsd === undefined && other.cacheWritePicoUsd === undefined
      ? {}
      : {
          cacheWritePicoUsd: most(
            one.cacheWritePicoUsd ?? one.inputPicoUsd,
            other.cacheWritePicoUsd ?? other.inputPicoUsd,
          ),
        }),
    outputPicoUsd: most(one.outputPicoUsd, other.outputPicoUsd),
  };
}

function most(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}
