import type { CreateMessageRequest } from './contexts.dto.js';

/** A message as OpenAI's chat completions take it. */
export type PromptMessage = Readonly<Record<string, unknown>>;

/**
 * A context's messages in OpenAI's words. There a tool's answer names the call that it answers; Gabber's messages need not:
 * one that names none answers the first call that is still open.
 */
export function promptOf(messages: readonly CreateMessageRequest[]): PromptMessage[] {
  const open: string[] = [];
  return messages.map(({ role, content, tool_calls: calls }) => {
    if (role === 'tool') {
      const id = calls?.[0]?.id ?? open[0] ?? '';
      if (open.includes(id)) open.splice(open.indexOf(id), 1);
      return { role, tool_call_id: id, content };
    }
    if (role !== 'assistant' || !calls || calls.length === 0) return { role, content };
    open.push(...calls.map(({ id }) => id));
    return {
      role,
      content,
      tool_calls: calls.map(({ id, function: { name, arguments: given } }) => ({
        id,
        type: 'function',
        function: { name, arguments: JSON.stringify(given) },
      })),
    };
  });
}
