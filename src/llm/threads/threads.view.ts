import { formatTimestamp } from '../../platform/protojson/index.js';
import type { MessageRow, RunRow } from '../runs/runs.repository.js';
import type { MessageBody, ThreadSetup } from '../runs/run.types.js';
import type { ThreadRow } from './threads.repository.js';

export function viewListedThread({ conversationKey, name, createdAt, updatedAt }: ThreadRow): object {
  return { conversationKey, name, createdAt: formatTimestamp(createdAt), updatedAt: formatTimestamp(updatedAt) };
}

export function viewThread(thread: ThreadRow, { systemPrompt = '', tools = [] }: ThreadSetup): object {
  const { model, temperature, maxTokens, interruptPolicy } = thread;
  return {
    ...viewListedThread(thread),
    generationConfig: { model, temperature, maxTokens },
    settings: { systemPrompt, interruptPolicy },
    tools,
  };
}

interface OpenedMessage {
  readonly row: MessageRow;
  readonly body: MessageBody;
}

export function viewConversation(
  thread: ThreadRow,
  setup: ThreadSetup,
  active: RunRow | null,
  messages: readonly OpenedMessage[],
  nextPageToken: string,
): object {
  return {
    ...viewThread(thread, setup),
    status: active === null ? 'IDLE' : 'RUNNING',
    activeRunId: active?.id,
    awaitingToolOutputs: active?.status === 'ACTION',
    messages: messages.map(viewMessage),
    nextPageToken,
    messagesLeftOut: thread.leftOut,
  };
}

function viewMessage({ row, body }: OpenedMessage): object {
  const { content, toolCalls, toolCallId } = body;
  return {
    id: row.id,
    role: row.role,
    content,
    createdAt: formatTimestamp(row.createdAt),
    runId: row.runId,
    toolCalls: toolCalls?.map(({ id, name, arguments: written }) => ({ id, name, arguments: written })),
    toolCallId,
  };
}
