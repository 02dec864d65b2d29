import type { ContextView, CreateMessageRequest, MessageView } from './contexts.dto.js';
import type { ContextRecord, MessageRecord } from './contexts.repository.js';

/** A context as Gabber's clients know it. */
export function viewContext(
  { id, createdAt }: Pick<ContextRecord, 'id' | 'createdAt'>,
  tenantId: string,
  human: string | null,
): ContextView {
  return {
    id,
    created_at: createdAt.toISOString(),
    project: tenantId,
    ...(human === null ? {} : { human }),
  };
}

/** A message is sent with its content as a text, and answered with a list of parts. */
export function viewMessage(
  { id, createdAt }: Pick<MessageRecord, 'id' | 'createdAt'>,
  message: CreateMessageRequest,
): MessageView {
  const { role, content, tool_calls: calls, speaking_started_at: started, speaking_ended_at: ended } = message;
  return {
    id,
    created_at: createdAt.toISOString(),
    role,
    content: [{ type: 'text', text: content }],
    ...(calls ? { tool_calls: calls } : {}),
    ...(started ? { speaking_started_at: started } : {}),
    ...(ended ? { speaking_ended_at: ended } : {}),
  };
}
