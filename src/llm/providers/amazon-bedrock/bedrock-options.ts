import type { ChatRequest } from '../requests/chat-request.js';
import type { Capabilities } from '../anthropic/anthropic-options.js';
import { translate, type CallOptions, type Effort, type Traits } from '../bridge/call-options.js';
import type { ReadyCall } from '../bridge/dialect.js';
import { limitedTo, unsupported } from '../bridge/refusals.js';
import { budgetOf } from '../bridge/thinking.js';

const PROVIDER = 'amazon_bedrock';
/** Anthropic's least. */
const LEAST_BUDGET = 1_024;
const OPENAI = /(?:^|\.)openai\./;
const GPT_OSS = /(?:^|\.)openai\.gpt-oss-/;
const NOVA_2 = /(?:^|\.)amazon\.nova-2-/;

/** Whose model it is, as far as Converse treats them differently. */
interface Family {
  readonly isClaude: boolean;
  readonly isOpenai: boolean;
  readonly known: Capabilities;
}

/**
 * A request as the package takes it for a model on Bedrock. All that the package would drop with a warning is refused here.
 *
 * @throws Fault invalid_input, naming the field
 */
export function bedrockCall(request: ChatRequest, capabilities: (model: string) => Capabilities): ReadyCall {
  const { model } = request;
  const family = {
    isClaude: model.includes('anthropic'),
    isOpenai: OPENAI.test(model),
    known: capabilities(model),
  };
  const { options, images, effort, parallelOff } = translate(request, traitsOf(family));
  const thinking = effort === null ? null : thinkingOf(effort, options, family, model);
  const isThinking = thinking !== null && thinking['type'] !== 'disabled';
  assertToolsTaken(options, family.known.rejectsForcedToolUse || thinking?.['type'] === 'enabled');
  assertStopTaken(options, family);
  const budget = Number(thinking?.['budgetTokens'] ?? 0);
  const limit = options.maxOutputTokens ?? (budget > 0 ? family.known.maxOutputTokens : undefined);
  return {
    images,
    options: {
      ...withSampling(options, family, model, isThinking && family.isClaude),
      // The package adds the budget to it.
      ...(limit === undefined ? {} : { maxOutputTokens: limit - budget }),
      providerOptions: {
        ...(thinking === null ? {} : { amazonBedrock: { reasoningConfig: thinking } }),
        ...(parallelOff ? { anthropic: { disableParallelToolUse: true } } : {}),
      },
    },
  };
}

function traitsOf({ isClaude, known }: Family): Traits {
  return {
    provider: PROVIDER,
    namespace: 'amazonBedrock',
    images: true,
    pdfs: true,
    audio: false,
    systemAnywhere: false,
    textBesideToolCalls: true,
    cacheControl: false,
    seed: false,
    penalties: false,
    jsonObject: false,
    jsonSchema: true,
    strictTools: isClaude && known.supportsStructuredOutput,
    parallelOff: isClaude,
  };
}

type ReasoningConfig = Record<string, string | number>;

function thinkingOf(
  effort: Effort,
  { maxOutputTokens }: CallOptions,
  { isClaude, isOpenai, known }: Family,
  model: string,
): ReasoningConfig | null {
  const word = effort === 'minimal' ? 'low' : effort;
  if (isClaude) {
    if (word === 'none') {
      if (known.rejectsThinkingDisabled)
        throw limitedTo('reasoning_effort', 'low, medium or high, as this model always thinks,', PROVIDER);
      return { type: 'disabled' };
    }
    if (!known.supportsAdaptiveThinking)
      return {
        type: 'enabled',
        budgetTokens: budgetOf(
          effort === 'none' ? 'low' : effort,
          maxOutputTokens ?? known.maxOutputTokens,
          LEAST_BUDGET,
          PROVIDER,
        ),
      };
    if (word === 'xhigh' && !known.supportsXhighEffort)
      throw limitedTo('reasoning_effort', 'low, medium or high for this model', PROVIDER);
    return { type: 'adaptive', maxReasoningEffort: word };
  }
  // A model that does not think has nothing to turn off.
  if (word === 'none' && !isOpenai) return null;
  // Above it, Nova takes no output limit.
  const taken = isOpenai ? ['low', 'medium', 'high'] : NOVA_2.test(model) ? ['low', 'medium'] : [];
  if (taken.length === 0) throw unsupported('reasoning_effort', PROVIDER);
  if (!taken.includes(word)) throw limitedTo('reasoning_effort', `one of ${taken.join(', ')} for this model`, PROVIDER);
  return isOpenai ? { maxReasoningEffort: word } : { type: 'enabled', maxReasoningEffort: word };
}

/** Tools that are not named take their calls out of the history with them. */
function assertToolsTaken({ prompt, tools, toolChoice, responseFormat }: CallOptions, rejectsForced: boolean): void {
  const isForced = toolChoice?.type === 'required' || toolChoice?.type === 'tool';
  if (isForced && rejectsForced) throw limitedTo('tool_choice', 'auto for a model that thinks', PROVIDER);
  if (responseFormat !== undefined && toolChoice !== undefined && toolChoice.type !== 'auto')
    throw limitedTo('tool_choice', 'auto beside a response_format', PROVIDER);
  if (responseFormat !== undefined && rejectsForced)
    throw unsupported('response_format', PROVIDER, 'this model takes none while it thinks');
  if (!prompt.some(({ role }) => role === 'tool')) return;
  if (tools === undefined) throw limitedTo('tools', 'named while messages hold tool calls', PROVIDER);
  if (toolChoice?.type === 'none') throw limitedTo('tool_choice', 'auto while messages hold tool calls', PROVIDER);
}

function assertStopTaken({ stopSequences }: CallOptions, { isOpenai }: Family): void {
  if (isOpenai && stopSequences !== undefined) throw unsupported('stop', PROVIDER, 'this model takes none');
}

/** One is what leaving it out means. */
function withSampling(
  options: CallOptions,
  { isOpenai, known }: Family,
  model: string,
  isThinking: boolean,
): CallOptions {
  const { temperature, topP, ...rest } = options;
  const given = {
    ...(temperature === undefined || temperature === 1 ? {} : { temperature }),
    ...(topP === undefined || topP === 1 ? {} : { topP }),
  };
  const isFree = isOpenai && !GPT_OSS.test(model);
  const field = given.temperature === undefined ? 'top_p' : 'temperature';
  if (Object.keys(given).length > 0 && (known.rejectsSamplingParameters || isThinking || isFree))
    throw unsupported(field, PROVIDER, isThinking ? 'a model that thinks takes none' : 'this model takes none');
  if (temperature !== undefined && (temperature < 0 || temperature > 1))
    throw limitedTo('temperature', 'from 0 to 1', PROVIDER);
  return { ...rest, ...given };
}
