import type { LanguageModelV4CallOptions, LanguageModelV4FunctionTool } from '@ai-sdk/provider';
import { invalidField } from '../../../platform/errors/index.js';
import { isObject, type ChatRequest } from '../requests/chat-request.js';
import type { RemoteImage } from './files.js';
import { cacheControlOf, isGiven, promptOf, type PromptTraits } from './prompt.js';
import { unsupported } from './refusals.js';
import { assertFieldsCarried, booleanIn, numberIn, stopIn, type Fields } from './request-fields.js';

export type CallOptions = LanguageModelV4CallOptions;
export type Effort = Exclude<CallOptions['reasoning'], 'provider-default' | undefined>;

/** What a provider can carry for one model. What is false here is refused, and never lost. */
export interface Traits extends PromptTraits {
  readonly seed: boolean;
  readonly penalties: boolean;
  /** `response_format` of `json_object`. */
  readonly jsonObject: boolean;
  readonly jsonSchema: boolean;
  readonly strictTools: boolean;
  /** `parallel_tool_calls: false`. */
  readonly parallelOff: boolean;
}

/** A chat completion in the words of the packages. What the dialect decides by itself stands beside. */
export interface TranslatedCall {
  readonly options: CallOptions;
  readonly images: readonly RemoteImage[];
  /** How much the model is to think; null: nothing was said. */
  readonly effort: Effort | null;
  /** The caller wants one tool call at a time. */
  readonly parallelOff: boolean;
}

const EFFORTS = new Set<unknown>(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']);

/**
 * Turns a request into what every package takes. The output limit goes as it is; the dialect fits what the model thinks
 * into it.
 *
 * @throws Fault invalid_input, naming the field
 */
export function translate(request: ChatRequest, traits: Traits): TranslatedCall {
  const body = request.json.value;
  const { provider } = traits;
  assertFieldsCarried(body, provider);
  const seed = numberIn(body, 'seed');
  if (seed !== undefined && !traits.seed) throw unsupported('seed', provider);
  const tools = toolsIn(body, traits);
  const parallel = booleanIn(body, 'parallel_tool_calls');
  const parallelOff = parallel === false && tools !== undefined;
  if (parallelOff && !traits.parallelOff) throw unsupported('parallel_tool_calls', provider);
  const { prompt, images } = promptOf(body['messages'] as readonly Fields[], traits);
  const options: CallOptions = {
    prompt,
    ...defined({
      maxOutputTokens: limitOf(request),
      temperature: numberIn(body, 'temperature'),
      topP: numberIn(body, 'top_p'),
      presencePenalty: penaltyIn(body, 'presence_penalty', traits),
      frequencyPenalty: penaltyIn(body, 'frequency_penalty', traits),
      stopSequences: stopIn(body),
      seed,
      responseFormat: formatIn(body, traits),
      tools,
      toolChoice: choiceIn(body, tools, provider),
    }),
  };
  return { options, images, effort: effortIn(body), parallelOff };
}

/** Zero means "no limit" to this service. */
export function limitOf({ maxOutputTokens, maxTokens, maxCompletionTokens }: ChatRequest): number | undefined {
  if (maxTokens === 0 || maxCompletionTokens === 0 || maxOutputTokens === null) return undefined;
  return Math.max(maxTokens ?? 0, maxCompletionTokens ?? 0);
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}

function penaltyIn(body: Fields, field: string, { penalties, provider }: Traits): number | undefined {
  const value = numberIn(body, field);
  // What the provider does without it.
  if (value === undefined || (value === 0 && !penalties)) return undefined;
  if (!penalties) throw unsupported(field, provider);
  return value;
}

function effortIn(body: Fields): Effort | null {
  const effort = body['reasoning_effort'];
  if (effort === undefined || effort === null) return null;
  if (!EFFORTS.has(effort)) throw invalidField('reasoning_effort', `must be one of ${[...EFFORTS].join(', ')}`);
  return effort as Effort;
}

function formatIn(body: Fields, traits: Traits): CallOptions['responseFormat'] {
  const format = body['response_format'];
  if (!isGiven(format)) return undefined;
  if (!isObject(format)) throw invalidField('response_format', 'must be an object');
  switch (format['type']) {
    case 'text':
      return undefined;
    case 'json_object':
      if (!traits.jsonObject) throw unsupported('response_format', traits.provider, 'name a schema by json_schema');
      return { type: 'json' };
    case 'json_schema':
      break;
    default:
      throw invalidField('response_format.type', 'must be one of text, json_object, json_schema');
  }
  if (!traits.jsonSchema) throw unsupported('response_format', traits.provider);
  const definition = format['json_schema'];
  if (!isObject(definition)) throw invalidField('response_format.json_schema', 'must be an object');
  const { schema, name, description } = definition;
  if (!isObject(schema)) throw invalidField('response_format.json_schema.schema', 'must be an object');
  return {
    type: 'json',
    schema,
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof description === 'string' ? { description } : {}),
  };
}

function toolsIn(body: Fields, traits: Traits): LanguageModelV4FunctionTool[] | undefined {
  const { tools } = body;
  if (!isGiven(tools)) return undefined;
  if (!Array.isArray(tools)) throw invalidField('tools', 'must be a list');
  if (tools.length === 0) return undefined;
  return tools.map((tool: unknown, index) => toolOf(tool, `tools[${index}]`, traits));
}

function toolOf(tool: unknown, at: string, traits: Traits): LanguageModelV4FunctionTool {
  if (!isObject(tool)) throw invalidField(at, 'must be an object');
  if (tool['type'] !== 'function') throw unsupported(`${at}.type`, traits.provider, 'only functions are');
  const definition = tool['function'];
  if (!isObject(definition)) throw invalidField(`${at}.function`, 'must be an object');
  const { name, description, parameters, strict } = definition;
  if (typeof name !== 'string' || name === '') throw invalidField(`${at}.function.name`, 'must be a string');
  if (isGiven(description) && typeof description !== 'string')
    throw invalidField(`${at}.function.description`, 'must be a string');
  if (isGiven(parameters) && !isObject(parameters))
    throw invalidField(`${at}.function.parameters`, 'must be an object');
  if (strict === true && !traits.strictTools) throw unsupported(`${at}.function.strict`, traits.provider);
  const mark = tool['cache_control'];
  return {
    type: 'function',
    name,
    inputSchema: isObject(parameters) ? parameters : { type: 'object', properties: {} },
    ...(typeof description === 'string' ? { description } : {}),
    ...(strict === true ? { strict } : {}),
    ...(isGiven(mark)
      ? { providerOptions: { [traits.namespace]: { cacheControl: cacheControlOf(mark, at, traits) } } }
      : {}),
  };
}

function choiceIn(
  body: Fields,
  tools: readonly LanguageModelV4FunctionTool[] | undefined,
  provider: string,
): CallOptions['toolChoice'] {
  const choice = body['tool_choice'];
  if (!isGiven(choice)) return undefined;
  if (tools === undefined) {
    if (choice === 'auto' || choice === 'none') return undefined;
    throw invalidField('tool_choice', 'needs tools to choose from');
  }
  if (choice === 'auto' || choice === 'required' || choice === 'none') return { type: choice };
  if (!isObject(choice)) throw invalidField('tool_choice', 'must be auto, required, none or a function');
  const called = choice['function'];
  if (choice['type'] !== 'function') throw unsupported('tool_choice.type', provider, 'name a function');
  const name = isObject(called) ? called['name'] : undefined;
  if (typeof name !== 'string') throw invalidField('tool_choice.function.name', 'must be a string');
  if (!tools.some((tool) => tool.name === name))
    throw invalidField('tool_choice.function.name', 'must be the name of one of the tools');
  return { type: 'tool', toolName: name };
}
