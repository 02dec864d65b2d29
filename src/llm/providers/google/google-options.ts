import type { getGoogleLanguageModelEntry } from '@ai-sdk/google/internal';
import type { LanguageModelV4Prompt } from '@ai-sdk/provider';
import type { ChatRequest } from '../requests/chat-request.js';
import { translate, type CallOptions, type Effort, type Traits } from '../bridge/call-options.js';
import type { ReadyCall } from '../bridge/dialect.js';
import { limitedTo } from '../bridge/refusals.js';
import { budgetOf } from '../bridge/thinking.js';

export type GoogleModel = ReturnType<typeof getGoogleLanguageModelEntry>;

const PROVIDER = 'google';
const UNKNOWN_SIGNATURE = 'skip_thought_signature_validator';
/** The least for an answer beside what is thought. */
const LEAST_BUDGET = 128;

/**
 * A request as the package takes it for a Gemini model.
 *
 * @throws Fault invalid_input, naming the field
 */
export function googleCall(request: ChatRequest, modelOf: (id: string) => GoogleModel): ReadyCall {
  const model = modelOf(request.model);
  const { options: asked, images, effort } = translate(request, traitsOf(model));
  const options = asksForSignatures(model) ? { ...asked, prompt: withSignatures(asked.prompt) } : asked;
  const thinkingConfig = effort === null ? null : thinkingOf(effort, options.maxOutputTokens, model);
  return {
    options: thinkingConfig === null ? options : { ...options, providerOptions: { google: { thinkingConfig } } },
    images,
  };
}

function traitsOf({ capabilities }: GoogleModel): Traits {
  return {
    provider: PROVIDER,
    namespace: 'google',
    images: true,
    pdfs: true,
    audio: true,
    systemAnywhere: false,
    textBesideToolCalls: true,
    cacheControl: false,
    seed: true,
    penalties: capabilities.language.sampling.penalties === true,
    jsonObject: true,
    jsonSchema: true,
    strictTools: true,
    parallelOff: false,
  };
}

/** Gemini 3 and later, of which the package says so by this alone. */
function asksForSignatures({ capabilities }: GoogleModel): boolean {
  return capabilities.language.tools.functionResponseParts;
}

/**
 * Such a model refuses calls of tools without the signature of the thought behind them. Callers send none back where their
 * client drops it, or where another model made the call; Google documents a word that stands for it. One for each message is
 * enough, since of parallel calls only the first is signed.
 */
function withSignatures(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  return prompt.map((message) => {
    if (message.role !== 'assistant') return message;
    const first = message.content.find(({ type }) => type === 'tool-call');
    if (first === undefined || first.providerOptions !== undefined) return message;
    const signed = { ...first, providerOptions: { google: { thoughtSignature: UNKNOWN_SIGNATURE } } };
    return { ...message, content: message.content.map((part) => (part === first ? signed : part)) };
  });
}

type ThinkingConfig = Record<string, string | number | boolean>;

/** Newer models take a word, older ones a number of tokens, which the output limit holds. */
function thinkingOf(effort: Effort, limit: CallOptions['maxOutputTokens'], model: GoogleModel): ThinkingConfig {
  const { reasoning } = model.capabilities.language;
  const { thinkingFormat, reasoningMaxOutputTokens } = model.requestConfig.language;
  if (thinkingFormat === 'level') {
    const levels: readonly string[] = reasoning.efforts ?? [];
    const level = effort === 'minimal' && !levels.includes(effort) ? 'low' : effort;
    if (!levels.includes(level))
      throw limitedTo('reasoning_effort', `one of ${levels.join(', ')} for this model`, PROVIDER);
    return { thinkingLevel: level, includeThoughts: true };
  }
  if (effort === 'none') {
    if (reasoning.minBudget > 0)
      throw limitedTo('reasoning_effort', 'other than none, as this model always thinks,', PROVIDER);
    return { thinkingBudget: 0 };
  }
  const budget = budgetOf(effort, limit ?? reasoningMaxOutputTokens, LEAST_BUDGET, PROVIDER);
  return { thinkingBudget: Math.min(budget, reasoning.maxBudget), includeThoughts: true };
}
