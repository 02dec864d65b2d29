import type { LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import type { TokenCounts } from '../provider.js';
import { CallIds } from './call-ids.js';
import { keptOf } from './extra-content.js';
import { refusalOf, type FinishReason } from './finish.js';
import { usageObjectOf } from './usage.js';

/** What all chunks of an answer begin with, or an answer that is not streamed. */
export interface Envelope {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

type Fields = Record<string, unknown>;

/** A whole answer as OpenAI's chat completion. */
export function completionOf(
  result: Pick<LanguageModelV4GenerateResult, 'content' | 'finishReason'>,
  finish: FinishReason,
  counts: TokenCounts,
  { id, created, model }: Envelope,
  namespace: string,
): object {
  const message = messageOf(result.content, namespace);
  message['refusal'] = refusalOf(result.finishReason, message['content'] as string | null);
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
    usage: usageObjectOf(counts),
  };
}

function messageOf(content: LanguageModelV4GenerateResult['content'], namespace: string): Fields {
  let text: string | null = null;
  let reasoning: string | null = null;
  let extra: Fields = {};
  const thinking: Fields[] = [];
  const calls: object[] = [];
  const callIds = new CallIds();
  for (const part of content) {
    switch (part.type) {
      case 'text':
        text = (text ?? '') + part.text;
        extra = { ...extra, ...keptOf(part.providerMetadata, namespace) };
        break;
      case 'reasoning': {
        if (part.text !== '') reasoning = (reasoning ?? '') + part.text;
        const kept = keptOf(part.providerMetadata, namespace);
        if (kept !== null) thinking.push({ ...(part.text === '' ? {} : { text: part.text }), ...kept });
        break;
      }
      case 'tool-call':
        if (part.providerExecuted !== true)
          calls.push({
            id: callIds.distinct(part.toolCallId),
            type: 'function',
            function: { name: part.toolName, arguments: part.input },
            ...extraContent(keptOf(part.providerMetadata, namespace), namespace),
          });
        break;
      default:
        // Sources, files and the provider's own tools, none of which can be asked for.
        break;
    }
  }
  if (thinking.length > 0) extra['thinking'] = thinking;
  return {
    role: 'assistant',
    content: text,
    ...(reasoning === null ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
    ...extraContent(Object.keys(extra).length === 0 ? null : extra, namespace),
  };
}

export function extraContent(kept: Fields | null, namespace: string): Fields {
  return kept === null ? {} : { extra_content: { [namespace]: kept } };
}
