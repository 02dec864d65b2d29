import { Injectable } from '@nestjs/common';
import { parseJsonObject } from '../../platform/json/index.js';
import type { Operation } from '../calls/operation.js';
import { withOutputLimit } from '../chat/chat-bound.js';
import { CHAT } from '../chat/chat.operation.js';
import type { ModelFacts } from '../models/model-facts.js';
import { TenantModels } from '../models/tenant-models.js';
import { DEFAULT_OUTPUT_TOKENS, type ChatRequest } from '../providers/requests/chat-request.js';
import { DefaultModels } from './default-models.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { chooseMessages } from './run-history.js';
import type { LoadedRow } from './run-statements.js';
import { RunTexts } from './run-texts.js';
import type { MessageBody, MessageRole, RunSetup, ThreadSetup, Tool } from './run.types.js';

/** A chat completion that a thread asks for. */
export const RUN_CHAT: Operation<'chat'> = { ...CHAT, route: 'POST /api/v1/llm/gateway/send-message' };

/** Of an unknown model: smaller than any in use, and larger than most conversations. */
const UNKNOWN_CONTEXT_TOKENS = 32_768;
/** What the count of tokens may be wrong by, as each model has a vocabulary of its own. */
const MARGIN = 0.1;
/** OpenAI's chat format: what stands around a message. */
const TOKENS_PER_MESSAGE = 4;

interface ComposedRun {
  readonly request: ChatRequest;
  /** How many messages of the thread are not in it. */
  readonly leftOut: number;
  /** Of the tools in it. */
  readonly toolNames: readonly string[];
}

/** Makes a chat completion of a thread: its system prompt, as much of what was said as the model takes, its tools. */
@Injectable()
export class RunRequests {
  constructor(
    private readonly texts: RunTexts,
    private readonly models: TenantModels,
    private readonly defaults: DefaultModels,
    private readonly tokenizer: Tokenizer,
  ) {}

  /** What a message is for a model, about. */
  countTokens({ content, toolCalls = [] }: MessageBody): number {
    const said = toolCalls.map((call) => call.name + call.arguments).join('\n');
    return TOKENS_PER_MESSAGE + this.tokenizer.count(content) + this.tokenizer.count(said);
  }

  /** @throws Fault invalid_input: no model is named, or the thread holds something that is not valid in a request */
  async compose(run: LoadedRow): Promise<ComposedRun> {
    const { tenant_id: tenantId } = run;
    const [thread, setup, model, models] = await Promise.all([
      this.texts.openThreadSetup(tenantId, run.thread_id, run.thread_setup),
      this.texts.openRunSetup(tenantId, run.id, run.setup),
      run.model ?? this.defaults.modelOf(tenantId),
      this.models.of(tenantId),
    ]);
    const facts = models.find(model);
    const tools = setup.tools ?? thread.tools ?? [];
    const chosen = chooseMessages(run, this.roomFor(run, facts, thread, tools));
    const bodies = await Promise.all(
      chosen.map((at) => this.texts.openMessage(tenantId, run.message_ids[at] ?? '', run.bodies[at] ?? NOTHING)),
    );
    const said = bodies.map((body, index) => ({ role: run.roles[chosen[index] ?? 0] ?? 'user', body }));
    const json = {
      model,
      messages: [...systemMessage(thread), ...messagesOf(said)],
      stream: true,
      ...(run.temperature === null ? {} : { temperature: run.temperature }),
      ...toolsOf(tools, run.step === 0 ? setup : {}),
    };
    const request = CHAT.parse(parseJsonObject(Buffer.from(JSON.stringify(json))));
    return {
      request: run.max_tokens === null ? request : withOutputLimit(request, facts, run.max_tokens),
      leftOut: run.total - chosen.length,
      toolNames: tools.map(({ name }) => name),
    };
  }

  /** What the model's context has left for what was said. */
  private roomFor(run: LoadedRow, facts: ModelFacts | null, thread: ThreadSetup, tools: readonly Tool[]): number {
    const context = facts?.contextTokens ?? UNKNOWN_CONTEXT_TOKENS;
    const most = facts?.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS;
    // Half of a small context at most: an answer needs room for the question, too.
    const output = Math.min(run.max_tokens ?? DEFAULT_OUTPUT_TOKENS, most, context / 2);
    const fixed =
      this.tokenizer.count(thread.systemPrompt ?? '') +
      (tools.length === 0 ? 0 : this.tokenizer.count(JSON.stringify(tools)));
    return Math.floor((context - output) * (1 - MARGIN)) - fixed;
  }
}

const NOTHING = Buffer.alloc(0);

function systemMessage({ systemPrompt = '' }: ThreadSetup): object[] {
  return systemPrompt === '' ? [] : [{ role: 'system', content: systemPrompt }];
}

interface Said {
  readonly role: MessageRole;
  readonly body: MessageBody;
}

/**
 * Providers refuse calls of tools without their outputs. A run that was cancelled meanwhile left such: they are left
 * out.
 */
function messagesOf(said: readonly Said[]): object[] {
  const messages: object[] = [];
  for (let at = 0; at < said.length; at += 1) {
    const { role, body } = said[at] as Said;
    if (role === 'user') messages.push({ role, content: body.content });
    if (role !== 'assistant') continue;
    const outputs: Said[] = [];
    while (said[at + 1]?.role === 'tool') outputs.push(said[(at += 1)] as Said);
    const answered = new Set(outputs.map((output) => output.body.toolCallId));
    const calls = body.toolCalls ?? [];
    const isWhole = calls.every(({ id }) => answered.has(id));
    if (calls.length > 0 && isWhole) {
      messages.push(assistantMessage(body, true));
      for (const { body: output } of outputs)
        messages.push({ role: 'tool', tool_call_id: output.toolCallId, content: output.content });
    } else if (body.content !== '') {
      messages.push(assistantMessage(body, false));
    }
  }
  return messages;
}

function assistantMessage({ content, toolCalls = [], extraContent }: MessageBody, withCalls: boolean): object {
  const calls = toolCalls.map(({ id, name, arguments: written, extraContent: extra }) => ({
    id,
    type: 'function',
    function: { name, arguments: written },
    ...(extra === undefined ? {} : { extra_content: extra }),
  }));
  return {
    role: 'assistant',
    content: content === '' && withCalls ? null : content,
    ...(withCalls ? { tool_calls: calls } : {}),
    ...(extraContent === undefined ? {} : { extra_content: extraContent }),
  };
}

function toolsOf(tools: readonly Tool[], { toolChoice }: RunSetup): object {
  if (tools.length === 0) return {};
  const isWord = toolChoice === 'auto' || toolChoice === 'none' || toolChoice === 'required';
  const choice = isWord ? toolChoice : { type: 'function', function: { name: toolChoice } };
  return {
    tools: tools.map((tool) => ({ type: 'function', function: tool })),
    ...(toolChoice === undefined ? {} : { tool_choice: choice }),
  };
}
