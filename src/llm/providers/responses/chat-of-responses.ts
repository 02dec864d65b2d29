import { invalidField } from '../../../platform/errors/index.js';
import { jsonObjectOf } from '../../../platform/json/index.js';
import { isObject, readChatRequest, type ChatRequest } from '../requests/chat-request.js';
import type { ResponsesRequest } from '../requests/responses-request.js';
import { messagesOf } from './chat-messages.js';

type Fields = Readonly<Record<string, unknown>>;

const NOT_KEPT = "is not served by this model's provider, which keeps no responses";
/** Fields that mean the same with chat. */
const SAME = [
  'temperature',
  'top_p',
  'parallel_tool_calls',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'service_tier',
];
/** Fields that are read here, or that change nothing where no tool runs on the server and nothing is kept. */
const READ = [
  'model',
  'input',
  'instructions',
  'stream',
  'stream_options',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'reasoning',
  'text',
  'tools',
  'tool_choice',
];
const KNOWN = new Set([...SAME, ...READ]);
/** Fields that are carried where they say what is the case anyway. */
const HARMLESS = new Map<string, readonly unknown[]>(
  Object.entries({
    background: [false],
    truncation: ['disabled'],
    top_logprobs: [0],
    n: [1],
  }),
);
/** What can be asked to be included of what such a provider never has. */
const NEVER_THERE = new Set<unknown>(['reasoning.encrypted_content', 'file_search_call.results']);

/**
 * A call of the Responses API as a chat completion, for providers that have only these.
 *
 * @param outputField the field by which the model takes an output limit
 * @throws Fault invalid_input, naming the field that the provider can't carry
 */
export function chatOf(request: ResponsesRequest, outputField: 'max_tokens' | 'max_completion_tokens'): ChatRequest {
  const { value } = request.json;
  refuseUncarried(request);
  const { reasoning, text, tools, tool_choice: choice } = value;
  const chat: Record<string, unknown> = { model: request.model, messages: messagesOf(value) };
  for (const field of SAME) if (value[field] !== undefined) chat[field] = value[field];
  if (request.maxOutputTokens !== null) chat[outputField] = request.maxOutputTokens;
  if (isObject(reasoning) && typeof reasoning['effort'] === 'string') chat['reasoning_effort'] = reasoning['effort'];
  if (isObject(text)) {
    if (isObject(text['format'])) chat['response_format'] = formatOf(text['format']);
    if (typeof text['verbosity'] === 'string') chat['verbosity'] = text['verbosity'];
  }
  if (Array.isArray(tools) && tools.length > 0) chat['tools'] = toolsOf(tools);
  if (choice !== undefined && choice !== null && chat['tools'] !== undefined) chat['tool_choice'] = choiceOf(choice);
  // Without tools some servers refuse to be told how to call them.
  if (chat['tools'] === undefined) delete chat['parallel_tool_calls'];
  if (chat['response_format'] === undefined) delete chat['response_format'];
  if (request.stream) Object.assign(chat, { stream: true, stream_options: { include_usage: true } });
  return readChatRequest(jsonObjectOf(chat));
}

function refuseUncarried({ json, store }: ResponsesRequest): void {
  if (store === true) throw invalidField('store', `${NOT_KEPT}; leave it out, or set it to false`);
  for (const [key, value] of Object.entries(json.value)) {
    if (KNOWN.has(key) || key === 'store' || value === null) continue;
    if (HARMLESS.get(key)?.includes(value) === true) continue;
    if (key === 'include' && Array.isArray(value) && value.every((one) => NEVER_THERE.has(one))) continue;
    throw invalidField(
      key,
      "can't be carried to this model's provider, which is asked by chat completions; leave it out",
    );
  }
}

function formatOf(format: Fields): Fields | undefined {
  const { type, ...schema } = format;
  if (type === 'text') return undefined;
  if (type === 'json_object') return { type };
  if (type !== 'json_schema') throw invalidField('text.format.type', 'must be text, json_object or json_schema');
  return { type, json_schema: schema };
}

function toolsOf(tools: readonly unknown[]): readonly Fields[] {
  return tools.map((tool, at) => {
    if (!isObject(tool) || tool['type'] !== 'function')
      throw invalidField(`tools[${at}]`, "must be a function: this model's provider has no tools of its own");
    const { type, ...called } = tool;
    return { type, function: called };
  });
}

function choiceOf(choice: unknown): unknown {
  if (typeof choice === 'string') return choice;
  if (isObject(choice) && choice['type'] === 'function' && typeof choice['name'] === 'string')
    return { type: 'function', function: { name: choice['name'] } };
  throw invalidField('tool_choice', 'must be none, auto, required, or a function by its name');
}
