import type { AnswerHeaders, OperationName } from '../llm/index.js';

/** A whole answer as it is given again. */
export interface KeptAnswer {
  readonly form: 'json' | 'stream';
  /** What the provider's answer said in headers that callers may see. */
  readonly headers: AnswerHeaders;
  /** The model that the provider was asked for. */
  readonly model: string;
  readonly body: Buffer;
}

/** A finish that the same request would come to again. */
const WHOLE = new Set(['stop', 'tool_calls', 'function_call']);
/** Within a text each quote has a backslash before it. */
const FINISH = /"finish_reason"\s*:\s*"([a-z_]+)"/g;
const COMPLETED = /"type"\s*:\s*"response\.completed"/;

/** Whether an answer is whole: neither cut by a limit nor broken off, so that it is as good the next time. */
export function isWhole(operation: OperationName, { form, body }: Pick<KeptAnswer, 'form' | 'body'>): boolean {
  const text = body.toString('utf8');
  switch (operation) {
    case 'embeddings':
      return form === 'json';
    case 'responses':
      return form === 'json' ? statusOf(text) === 'completed' : COMPLETED.test(text);
    case 'chat': {
      const finishes = [...text.matchAll(FINISH)].map(([, finish = '']) => finish);
      return finishes.length > 0 && finishes.every((finish) => WHOLE.has(finish));
    }
    default:
      return operation satisfies never;
  }
}

function statusOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly status?: unknown } | null)?.status;
  } catch {
    return null;
  }
}

/** A line of JSON, then the answer's bytes. */
export function packed({ body, ...head }: KeptAnswer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
}

export function unpacked(bytes: Buffer): KeptAnswer {
  const end = bytes.indexOf(10);
  const head = JSON.parse(bytes.toString('utf8', 0, end)) as Omit<KeptAnswer, 'body'>;
  return { ...head, body: bytes.subarray(end + 1) };
}
