import type { LanguageModelV4FinishReason } from '@ai-sdk/provider';

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

/** What a caller reads where a model declines without a word. */
const DECLINED = 'The model declined to answer.';

/** OpenAI's finish reason; null: the answer did not come to its end, or is not an answer. */
export function finishOf(finish: LanguageModelV4FinishReason, hasToolCalls: boolean): FinishReason | null {
  switch (finish.unified) {
    case 'stop':
      return hasToolCalls ? 'tool_calls' : 'stop';
    case 'tool-calls':
      return 'tool_calls';
    case 'length':
      return 'length';
    case 'content-filter':
      return 'content_filter';
    case 'other':
      // Nothing was said of the end: the stream had none.
      if (finish.raw === undefined) return null;
      return hasToolCalls ? 'tool_calls' : 'stop';
    case 'error':
    case 'interrupted':
      return null;
  }
}

/** What stands in `refusal`; null: the model did not refuse. */
export function refusalOf(finish: LanguageModelV4FinishReason, text: string | null): string | null {
  return finish.raw === 'refusal' ? (text ?? DECLINED) : null;
}
