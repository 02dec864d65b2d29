// Runs OpenAI's clients, the AI SDK and LangChain as applications run them. Each line of input is a call to make (clients.ts),
// each line of output is the client's result. It is a process of its own, so that the clients run in plain Node with its fetch
// and streams.
import { createInterface } from 'node:readline';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI4 from 'openai4';
import OpenAI6 from 'openai6';
import OpenAI7 from 'openai';

// Warnings about providers would mix with the lines of output.
globalThis.AI_SDK_LOG_WARNINGS = false;

/** No call of a test takes so long: a client that waits longer has misread the answer. */
const PATIENCE_MS = 45_000;

const CLIENTS = {
  'openai 4': official(OpenAI4),
  'openai 6': official(OpenAI6),
  'openai 7': official(OpenAI7),
  'AI SDK, openai': aiSdk(({ baseUrl, key, headers, model }) =>
    createOpenAI({ baseURL: baseUrl, apiKey: key, headers }).chat(model),
  ),
  'AI SDK, openai-compatible': aiSdk(({ baseUrl, key, headers, model }) =>
    createOpenAICompatible({ name: 'compatible', baseURL: baseUrl, apiKey: key, headers, includeUsage: true })(model),
  ),
  LangChain: langChain,
};

/** OpenAI's own client, of any version. */
function official(OpenAI) {
  return async (job, said, signal) => {
    const client = new OpenAI({
      baseURL: job.baseUrl,
      apiKey: job.key,
      defaultHeaders: job.headers,
      maxRetries: job.retries,
      timeout: PATIENCE_MS,
    });
    const body = {
      model: job.model,
      messages: [{ role: 'user', content: contentOf(job) }],
      ...(job.maxTokens === undefined ? {} : { max_tokens: job.maxTokens }),
      ...(job.tools === undefined ? {} : { tools: job.tools }),
    };
    if (!job.stream) {
      const answer = await client.chat.completions.create(body, { signal });
      const [choice] = answer.choices;
      said.text = choice.message.content ?? '';
      said.finish = choice.finish_reason;
      said.usage = countsOf(answer.usage);
      for (const { function: called } of choice.message.tool_calls ?? [])
        said.toolCalls.push({ name: called.name, arguments: JSON.parse(called.arguments) });
      return;
    }
    const calls = [];
    const stream = await client.chat.completions.create(
      { ...body, stream: true, stream_options: { include_usage: true } },
      { signal },
    );
    for await (const { choices, usage } of stream) {
      said.usage = countsOf(usage) ?? said.usage;
      for (const { delta, finish_reason: finish } of choices) {
        said.text += delta.content ?? '';
        said.finish = finish ?? said.finish;
        for (const { index, function: piece } of delta.tool_calls ?? []) {
          calls[index] ??= { name: '', arguments: '' };
          calls[index].name += piece?.name ?? '';
          calls[index].arguments += piece?.arguments ?? '';
        }
      }
      if (leaves(job, said)) break;
    }
    for (const call of calls) said.toolCalls.push({ ...call, arguments: JSON.parse(call.arguments) });
  };
}

function aiSdk(modelOf) {
  return async (job, said, signal) => {
    const leaving = new AbortController();
    const options = {
      model: modelOf(job),
      messages: [{ role: 'user', content: aiSdkContentOf(job) }],
      maxRetries: job.retries,
      abortSignal: AbortSignal.any([signal, leaving.signal]),
      ...(job.maxTokens === undefined ? {} : { maxOutputTokens: job.maxTokens }),
      ...(job.tools === undefined ? {} : { tools: aiSdkToolsOf(job.tools) }),
    };
    if (!job.stream) {
      const { text, toolCalls, finishReason, usage } = await generateText(options);
      Object.assign(said, { text, finish: finishReason, usage: aiSdkCountsOf(usage) });
      for (const { toolName, input } of toolCalls) said.toolCalls.push({ name: toolName, arguments: input });
      return;
    }
    for await (const part of streamText({ ...options, onError: () => undefined }).fullStream) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'text-delta') said.text += part.text;
      if (part.type === 'tool-call') said.toolCalls.push({ name: part.toolName, arguments: part.input });
      if (part.type === 'finish') {
        said.finish = part.finishReason;
        said.usage = aiSdkCountsOf(part.totalUsage);
      }
      if (leaves(job, said)) {
        leaving.abort();
        break;
      }
    }
  };
}

async function langChain(job, said, signal) {
  const bare = new ChatOpenAI({
    model: job.model,
    apiKey: job.key,
    maxRetries: job.retries,
    timeout: PATIENCE_MS,
    configuration: { baseURL: job.baseUrl, defaultHeaders: job.headers },
    ...(job.maxTokens === undefined ? {} : { modelKwargs: { max_tokens: job.maxTokens } }),
  });
  const model = job.tools === undefined ? bare : bare.bindTools(job.tools);
  const messages = [new HumanMessage({ content: contentOf(job) })];
  let whole;
  if (!job.stream) whole = await model.invoke(messages, { signal });
  else {
    for await (const chunk of await model.stream(messages, { signal })) {
      whole = whole === undefined ? chunk : whole.concat(chunk);
      said.text = whole.text;
      if (leaves(job, said)) return;
    }
  }
  said.text = whole.text;
  said.finish = whole.response_metadata.finish_reason ?? null;
  const { input_tokens: input, output_tokens: output } = whole.usage_metadata ?? {};
  said.usage = input === undefined && output === undefined ? null : { input: input ?? null, output: output ?? null };
  for (const { name, args } of whole.tool_calls ?? []) said.toolCalls.push({ name, arguments: args });
}

const CACHED = { cache_control: { type: 'ephemeral' } };

function contentOf({ prompt, cached }) {
  return cached === true ? [{ type: 'text', text: prompt, ...CACHED }] : prompt;
}

function aiSdkContentOf({ prompt, cached }) {
  const part = { type: 'text', text: prompt };
  // From a single text the SDK makes a message without parts.
  return cached === true
    ? [
        { ...part, providerOptions: { openaiCompatible: CACHED } },
        { type: 'text', text: '!' },
      ]
    : [part];
}

function aiSdkToolsOf(tools) {
  return Object.fromEntries(
    tools.map(({ function: { name, description, parameters } }) => [
      name,
      tool({ description, inputSchema: jsonSchema(parameters) }),
    ]),
  );
}

function countsOf(usage) {
  return usage === undefined || usage === null
    ? null
    : { input: usage.prompt_tokens ?? null, output: usage.completion_tokens ?? null };
}

function aiSdkCountsOf({ inputTokens = null, outputTokens = null }) {
  return inputTokens === null && outputTokens === null ? null : { input: inputTokens, output: outputTokens };
}

/** Whether the caller has seen enough of the answer. */
function leaves({ leavesAt }, { text }) {
  return leavesAt !== undefined && text.includes(leavesAt);
}

/** The failure as an application sees it. */
function errorOf(thrown) {
  // The AI SDK's own error says how often it tried; the last error gives the reason.
  const error = thrown?.lastError ?? thrown;
  return {
    status: error?.status ?? error?.statusCode ?? null,
    message: String(error?.message ?? error),
  };
}

const running = new Map();

async function run(job) {
  const said = { text: '', toolCalls: [], finish: null, usage: null, error: null };
  const abort = new AbortController();
  running.set(job.id, abort);
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signal = AbortSignal.any([abort.signal, patience]);
  try {
    await CLIENTS[job.client](job, said, signal);
  } catch (error) {
    said.error = errorOf(error);
  }
  if (patience.aborted) said.error = { status: null, message: 'The client waited in vain.' };
  running.delete(job.id);
  process.stdout.write(`${JSON.stringify({ id: job.id, said })}\n`);
}

// Unhandled rejections of a client say nothing about its answer.
process.on('unhandledRejection', () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  if (job.abort !== undefined) running.get(job.abort)?.abort();
  else void run(job);
}
process.exit();
