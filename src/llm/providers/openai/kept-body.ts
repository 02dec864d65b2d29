import { GatheredBytes } from '../../../platform/http/index.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import { KEPT_STEP_BYTES, type AnswerSink } from '../provider.js';
import type { ProviderRequest } from '../requests/request-fields.js';
import { isEvents } from './answer-bytes.js';
import type { AnswerReader } from './answer-reader.js';

export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/**
 * Of an answer without a report so much is looked at; the rest is taken to be alike. Of events that are put together no more
 * is kept beside what they say.
 */
export const SAMPLED_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/** An answer that is not a stream, kept until it is whole. */
export class KeptBody {
  private gathered: GatheredBytes | null = null;
  /** How much of it the sink was told of. */
  private toldBytes = 0;

  /** @param contentLength as the provider's headers say it */
  add(chunk: Buffer, contentLength: string | undefined): void {
    if (this.gathered === null) {
      const length = Number(contentLength ?? 0);
      this.gathered = new GatheredBytes(length <= MAX_ANSWER_BYTES ? length : 0, MAX_ANSWER_BYTES);
    }
    this.gathered.add(chunk);
  }

  /** Whether there is room for an answer that has come to so many bytes. */
  hasRoomFor(size: number, sink: AnswerSink): boolean {
    const more = size - this.toldBytes;
    if (more < KEPT_STEP_BYTES) return true;
    this.toldBytes = size;
    return sink.onKept?.(more) !== false;
  }

  forget(): void {
    this.gathered = null;
  }

  all(): Buffer {
    return this.gathered?.all() ?? NOTHING;
  }

  /** Output tokens of an answer that has come to so many bytes. */
  estimateOutput<Request extends ProviderRequest>(
    reader: AnswerReader<Request>,
    tokenizer: Tokenizer,
    size: number,
  ): number {
    const sample = this.all().subarray(0, SAMPLED_BYTES);
    if (sample.length === 0) return 0;
    const tokens = reader.estimatePart(tokenizer, sample, isEvents(sample));
    return Math.round((tokens * size) / sample.length);
  }
}
