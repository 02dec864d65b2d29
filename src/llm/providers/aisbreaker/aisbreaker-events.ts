import type { Transformer, TransformStreamDefaultController } from 'node:stream/web';
import type { LanguageModelV4StreamPart, LanguageModelV4Usage } from '@ai-sdk/provider';
import { fieldsOf, textIn } from '../bridge/dialect.js';
import { endOfFirstEvent, parseEvent } from '../openai/sse-usage-filter.js';

const NAME = /^event: ?(.*?)\r?$/m;
const TEXT_ID = '0';

type Parts = TransformStreamDefaultController<LanguageModelV4StreamPart>;

/** The events of a streamed answer as a package would say them: `progress` with pieces, then `final`, or `error`. */
export class AisbreakerEvents implements Transformer<Uint8Array, LanguageModelV4StreamPart> {
  private rest: Buffer = Buffer.alloc(0);
  private said = '';
  private isOver = false;

  constructor(private readonly usage: LanguageModelV4Usage) {}

  start(parts: Parts): void {
    parts.enqueue({ type: 'text-start', id: TEXT_ID });
  }

  transform(chunk: Uint8Array, parts: Parts): void {
    const data = this.rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.rest, chunk]);
    let start = 0;
    for (let end = endOfFirstEvent(data, 0); end !== -1; end = endOfFirstEvent(data, start)) {
      this.take(data.subarray(start, end), parts);
      start = end;
    }
    this.rest = data.subarray(start);
  }

  private take(event: Buffer, parts: Parts): void {
    const [, name = ''] = NAME.exec(event.toString('utf8')) ?? [];
    if (this.isOver) return;
    // `ping`, and whatever else keeps a connection open, says nothing.
    this.isOver = name === 'final' || name === 'error';
    if (name === 'progress') this.say(outputIn(parseEvent(event)) ?? '', parts);
    else if (name === 'final') this.end(outputIn(parseEvent(event)), parts);
    else if (name === 'error') parts.enqueue({ type: 'error', error: errorIn(parseEvent(event)) });
  }

  private say(delta: string, parts: Parts): void {
    if (delta === '') return;
    this.said += delta;
    parts.enqueue({ type: 'text-delta', id: TEXT_ID, delta });
  }

  /** The last event holds the whole: of what came in no piece the rest is said now. */
  private end(whole: string | null, parts: Parts): void {
    if (whole?.startsWith(this.said) === true) this.say(whole.slice(this.said.length), parts);
    parts.enqueue({ type: 'text-end', id: TEXT_ID });
    parts.enqueue({ type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage: this.usage });
  }
}

/** The text of an answer, or of a piece of one; null: it is neither. */
export function outputIn(answer: unknown): string | null {
  const { outputs } = fieldsOf(answer);
  if (!Array.isArray(outputs)) return null;
  return outputs.map((output) => textIn(fieldsOf(fieldsOf(output)['text'])['content']) ?? '').join('');
}

function errorIn(event: unknown): object {
  const { message, statusCode } = fieldsOf(fieldsOf(event)['error']);
  return { type: null, message: textIn(message) ?? 'The server ended the stream with an error.', statusCode };
}
