import { isObject } from '../providers/requests/chat-request.js';

/**
 * What a request can ask for whose size or price can't be told beforehand. The lists are of what known OpenAI-compatible
 * servers take; decision 0011 says what each entry does where. Null always counts as absent.
 */

/** Output limits by other names, for servers that might heed these instead of the two that we read. */
const OTHER_OUTPUT_LIMITS = [
  'max_output_tokens',
  'max_new_tokens',
  'max_gen_len',
  'max_length',
  'maxtokens',
  'maxoutputtokens',
  'num_predict',
  'n_predict',
  'options',
  'generation_config',
  'generationconfig',
  'thinking_budget',
  'thinking_token_budget',
  'reasoning_budget',
  'max_reasoning_tokens',
  'max_tokens_to_sample',
  'max_predicted_tokens',
  'maxpredictedtokens',
  'max_decode_steps',
  'auto_max_new_tokens',
  'generate_config',
  'inferenceconfig',
  'additionalmodelrequestfields',
  'parameters',
  'thinking_budget_tokens',
  'reasoning_budget_tokens',
  'max_thinking_tokens',
  'min_thinking_tokens',
];

/** What a caller asks to be kept in the provider's cache: it changes the price of the call, and not its tokens. */
export const CACHE_CONTROL = 'cache_control';

/** More answers than are returned, or output that the caller's limit does not hold. */
const MORE_OUTPUT = [
  'best_of',
  'num_return_sequences',
  'candidate_count',
  'candidatecount',
  'num_completions',
  'use_beam_search',
  'beam_width',
  'num_beams',
  'prediction',
  'audio',
  'max_turns',
  'max_tool_calls',
  'ignore_eos',
  'min_tokens',
  'min_new_tokens',
  'min_length',
  'deferred',
  'background',
  'kv_transfer_params',
  'ec_transfer_params',
  'vllm_xargs',
  'nvext',
  'sampling_params',
  'sampling_params_list',
  'n_cmpl',
  'num_choices',
  'speculation',
  'ban_eos_token',
  'bypass_eos',
  'debug_config',
  'forced_output_tokens',
  'disaggregated_params',
  'migration_request',
  'bootstrap_host',
  'bootstrap_port',
  'bootstrap_room',
  'context_management',
];

/** Input that is not in the body: what the server finds, remembers, renders or is to fetch. */
const INPUT_FROM_ELSEWHERE = [
  'web_search_options',
  'search_parameters',
  'enable_search',
  'search_options',
  'data_sources',
  'datasources',
  'connectors',
  'vector_store_ids',
  'file_ids',
  'files',
  'attachments',
  'image',
  'images',
  'video',
  'videos',
  'plugins',
  'tool_resources',
  'mcp_servers',
  'container',
  'agent',
  'preset',
  'previous_response_id',
  'conversation',
  'conversation_id',
  'prompt',
  'prompt_id',
  'prompt_embeds',
  'cached_content',
  'context_id',
  'knowledge_base',
  'retrieval',
  'chat_template',
  'mm_processor_kwargs',
  'media_io_kwargs',
  'template',
  'chat_template_str',
  'instruction_template',
  'instruction_template_str',
  'session_params',
  'input_embeds',
  'image_data',
  'audio_data',
  'video_data',
  'multimodal_data',
  'enable_code_interpreter',
  'forced_search',
  'search_settings',
  'web_search',
  'compound_custom',
  'integrations',
  'features',
  'tool_ids',
  'filter_ids',
  'toolsets',
  'use_context',
  'context_filter',
  'rag',
  'venice_parameters',
  'character',
  'agent_id',
  'memory_id',
];

/** Another model or tier than the one whose price is known, or fields that a proxy merges into the body. */
const ANOTHER_PRICE = [
  'models',
  'route',
  'fallbacks',
  'provider',
  'provider_options',
  'provideroptions',
  'gateway',
  'speed',
  'inference_geo',
  'extra_body',
  'google',
  'litellm_params',
  'num_retries',
  'context_window_fallbacks',
  'content_policy_fallbacks',
  'default_fallbacks',
  'router_settings_override',
  'model_list',
  'user_config',
  'api_base',
  'base_url',
  'api_key',
  'performanceconfig',
  'performance_config',
  'lora_path',
  'lora_request',
  'draft_model',
  'vertex_ai_location',
];

const BOUNDLESS: ReadonlySet<string> = new Set([
  ...OTHER_OUTPUT_LIMITS,
  ...MORE_OUTPUT,
  ...INPUT_FROM_ELSEWHERE,
  ...ANOTHER_PRICE,
]);

/** Tiers at the published price or below it. `auto` is what leaving the field out means. */
const ORDINARY_TIERS = new Set<unknown>(['auto', 'default', 'standard', 'standard_only', 'flex']);

/** Fields of which no server shows the model anything; every other one is counted as if it did. */
export const NOT_IN_PROMPT = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'n',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'seed',
  'stop',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'metadata',
  'store',
  'logit_bias',
  'logprobs',
  'top_logprobs',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'parallel_tool_calls',
  'service_tier',
]);

/** Some servers match names without regard to case, so that we do too. */
export function folded(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** Names by which OpenRouter adds what it finds on the web, or a prompt that is kept there. */
const ADDING_NAME = /:online(?::|$)|@preset\//i;

/** Whether a model's name alone lets the server add to the prompt. */
export function addsToPrompt(model: string): boolean {
  return ADDING_NAME.test(model);
}

/** Why a top-level field (but the messages) makes the call boundless: its path; null: it doesn't. */
export function boundlessField(key: string, value: unknown, choices: number): string | null {
  if (value === null) return null;
  const name = folded(key);
  switch (name) {
    case 'best_of':
      return typeof value === 'number' && value <= choices ? null : key;
    case 'min_tokens':
    case 'min_new_tokens':
    case 'min_length':
      return value === 0 ? null : key;
    case 'ignore_eos':
    case 'ban_eos_token':
    case 'bypass_eos':
    case 'auto_max_new_tokens':
    case 'enable_code_interpreter':
    case 'forced_search':
    case 'use_context':
    case 'deferred':
    case 'background':
    case 'use_beam_search':
    case 'enable_search':
      return value === false ? null : key;
    case 'service_tier':
      return ORDINARY_TIERS.has(value) ? null : key;
    case 'modalities':
      return Array.isArray(value) && value.every((modality) => modality === 'text') ? null : key;
    case 'reasoning':
    case 'thinking':
    case 'thinking_config':
    case 'thinkingconfig':
    case 'reasoning_effort':
      // An effort is a word, and what it comes to is inside the output limit. A budget in tokens may be on top of it.
      return holdsNumber(value) ? key : null;
    case 'tools':
      return boundlessTool(key, value);
    case 'chat_template_kwargs':
    case 'chat_template_args':
    case 'extra_args':
    case 'custom_params':
      // What a server merges into the fields beside it, the template itself among them (vLLM).
      return isObject(value) && Object.entries(value).every(([name, inner]) => boundlessField(name, inner, 1) === null)
        ? null
        : key;
    default:
      return BOUNDLESS.has(name) ? key : null;
  }
}

function holdsNumber(value: unknown): boolean {
  if (isObject(value)) return Object.values(value).some(holdsNumber);
  return typeof value === 'number' || Array.isArray(value) || (typeof value === 'string' && /\d/.test(value));
}

/** A function is the caller's to run; a tool of any other type runs on the server, which reads what it brings. */
function boundlessTool(key: string, tools: unknown): string | null {
  if (!Array.isArray(tools)) return key;
  const at = (tools as readonly unknown[]).findIndex((tool) => !isObject(tool) || !isCallersTool(tool));
  return at === -1 ? null : `${key}[${at}]`;
}

function isCallersTool(tool: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(tool);
  if (tool['type'] === 'function' || tool['type'] === undefined)
    return isObject(tool['function']) && keys.every((key) => CALLERS_TOOL_KEYS.has(key));
  return tool['type'] === 'custom' && isObject(tool['custom']) && keys.every((key) => CALLERS_TOOL_KEYS.has(key));
}

/** Beside these, Google's servers take tools of their own in the same object. */
const CALLERS_TOOL_KEYS = new Set(['type', 'function', 'custom', 'strict', 'name', 'description', CACHE_CONTROL]);
