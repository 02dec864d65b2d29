import type { getModelCapabilities } from '@ai-sdk/anthropic/internal';
import type { JSONSchema7 } from '@ai-sdk/provider';
import { DEFAULT_OUTPUT_TOKENS, type ChatRequest } from '../requests/chat-request.js';
import { translate, type CallOptions, type Effort, type Traits, type TranslatedCall } from '../bridge/call-options.js';
import { limitedTo, unsupported } from '../bridge/refusals.js';
import type { ReadyCall } from '../bridge/dialect.js';
import { budgetOf } from '../bridge/thinking.js';

export type Capabilities = ReturnType<typeof getModelCapabilities>;

const PROVIDER = 'anthropic';
/** Anthropic's least. */
const LEAST_BUDGET = 1_024;

/** What the package knows of a model, and of a schema. */
export interface AnthropicKnowledge {
  capabilities(model: string): Capabilities;
  isNativeSchema(schema: JSONSchema7): boolean;
}

/**
 * A request as the package takes it for a Claude model. All that the package would drop with a warning is refused here.
 *
 * @throws Fault invalid_input, naming the field
 */
export function anthropicCall(request: ChatRequest, knowledge: AnthropicKnowledge): ReadyCall {
  const known = knowledge.capabilities(request.model);
  const call = translate(request, traitsOf(known));
  const thinks = thinkingOf(call, known);
  const budget = thinks?.budgetTokens ?? 0;
  const isThinking = thinks !== null && thinks.type !== 'disabled';
  assertForcedToolsTaken(call.options, knowledge, known, budget > 0);
  const options: CallOptions = {
    ...withSampling(call.options, known, isThinking),
    // The package adds the budget to it.
    maxOutputTokens: outputLimit(call.options, known) - budget,
    ...(thinks?.effort === undefined ? {} : { reasoning: thinks.effort }),
    providerOptions: {
      anthropic: {
        ...(call.parallelOff ? { disableParallelToolUse: true } : {}),
        ...(thinks !== null && thinks.type === 'enabled'
          ? { thinking: { type: 'enabled', budgetTokens: budget } }
          : {}),
        ...(thinks !== null && thinks.type === 'disabled' ? { thinking: { type: 'disabled' } } : {}),
      },
    },
  };
  return { options, images: call.images };
}

function traitsOf(known: Capabilities): Traits {
  return {
    provider: PROVIDER,
    namespace: 'anthropic',
    images: true,
    pdfs: true,
    audio: false,
    systemAnywhere: true,
    textBesideToolCalls: true,
    cacheControl: true,
    seed: false,
    penalties: false,
    jsonObject: false,
    jsonSchema: true,
    strictTools: known.supportsStructuredOutput,
    parallelOff: true,
  };
}

/** Anthropic wants a limit. No model produces more than its own, whatever was asked for. */
function outputLimit({ maxOutputTokens }: CallOptions, known: Capabilities): number {
  if (!known.isKnownModel) return maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS;
  return Math.min(maxOutputTokens ?? known.maxOutputTokens, known.maxOutputTokens);
}

interface Thinking {
  readonly type: 'disabled' | 'enabled' | 'adaptive';
  /** Inside the output limit. */
  readonly budgetTokens?: number;
  readonly effort?: Effort;
}

/** What an effort means for the model; null: nothing was said of it. */
function thinkingOf({ effort, options }: TranslatedCall, known: Capabilities): Thinking | null {
  if (effort === null) return null;
  if (effort === 'none') {
    if (known.rejectsThinkingDisabled || known.supportsBetweenToolsThinking)
      throw limitedTo('reasoning_effort', 'low, medium or high, as this model always thinks,', PROVIDER);
    return { type: 'disabled' };
  }
  if (!known.supportsAdaptiveThinking) {
    const most = outputLimit(options, known);
    return { type: 'enabled', budgetTokens: budgetOf(effort, most, LEAST_BUDGET, PROVIDER) };
  }
  if (effort === 'xhigh' && !known.supportsXhighEffort)
    throw limitedTo('reasoning_effort', 'low, medium or high for this model', PROVIDER);
  return { type: 'adaptive', effort: effort === 'minimal' ? 'low' : effort };
}

/** Anthropic samples by one of the two, and not at all by them where a model thinks. One is what leaving it out means. */
function withSampling(options: CallOptions, known: Capabilities, isThinking: boolean): CallOptions {
  const { temperature, topP, ...rest } = options;
  if (temperature !== undefined && (temperature < 0 || temperature > 1))
    throw limitedTo('temperature', 'from 0 to 1', PROVIDER);
  const given = {
    ...(temperature === undefined || temperature === 1 ? {} : { temperature }),
    ...(topP === undefined || topP === 1 ? {} : { topP }),
  };
  const names = Object.keys(given).map((name) => (name === 'topP' ? 'top_p' : name));
  const [first, second] = names;
  if (second !== undefined) throw unsupported(second, PROVIDER, 'name either temperature or top_p');
  if (first !== undefined && (known.rejectsSamplingParameters || isThinking))
    throw unsupported(
      first,
      PROVIDER,
      known.rejectsSamplingParameters ? 'this model takes none' : 'a model that thinks takes none',
    );
  return { ...rest, ...given };
}

/** A schema that the model does not know by itself is asked for by a tool, which must then be called. */
function assertForcedToolsTaken(
  { responseFormat, toolChoice }: CallOptions,
  knowledge: AnthropicKnowledge,
  known: Capabilities,
  hasBudget: boolean,
): void {
  if (!known.rejectsForcedToolUse && !hasBudget) return;
  if (toolChoice?.type === 'required' || toolChoice?.type === 'tool')
    throw limitedTo('tool_choice', 'auto or none for a model that thinks', PROVIDER);
  const schema = responseFormat?.type === 'json' ? responseFormat.schema : undefined;
  if (schema === undefined || (known.supportsStructuredOutput && knowledge.isNativeSchema(schema))) return;
  throw unsupported('response_format', PROVIDER, 'this model takes no such schema while it thinks');
}
