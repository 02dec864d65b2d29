import type { LanguageModelV4Message } from '@ai-sdk/provider';
import type { Fetch } from '../../../platform/outbound/index.js';
import { fieldsOf } from '../bridge/dialect.js';

/**
 * Cohere has a place for what an assistant says beside its tool calls, `tool_plan`, and the package does not use it. The
 * text is put into the body that the package made.
 *
 * @returns the same `fetch` where there is nothing to put in
 */
export function withToolPlans(prompt: readonly LanguageModelV4Message[], fetch: Fetch): Fetch {
  const plans = plansIn(prompt);
  if (plans.size === 0) return fetch;
  return (input, init = {}) => {
    if (typeof init.body !== 'string') throw new TypeError('The package sent a body that is not text.');
    return fetch(input, { ...init, body: planned(init.body, plans) });
  };
}

/** What was said beside tool calls, by the first call's id. */
function plansIn(prompt: readonly LanguageModelV4Message[]): ReadonlyMap<string, string> {
  const plans = new Map<string, string>();
  for (const { role, content } of prompt) {
    if (role !== 'assistant') continue;
    const call = content.find((part) => part.type === 'tool-call');
    const text = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
    if (call !== undefined && text !== '') plans.set(call.toolCallId, text);
  }
  return plans;
}

function planned(text: string, plans: ReadonlyMap<string, string>): string {
  const body = JSON.parse(text) as { messages: Record<string, unknown>[] };
  for (const message of body.messages) {
    const calls = message['tool_calls'];
    const { id } = fieldsOf(Array.isArray(calls) ? calls[0] : null);
    const plan = typeof id === 'string' ? plans.get(id) : undefined;
    if (plan !== undefined) message['tool_plan'] = plan;
  }
  return JSON.stringify(body);
}
