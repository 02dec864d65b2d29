import { createHash } from 'node:crypto';
import { Fault, invalidField } from '../../../platform/errors/index.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import { NOTHING_USED, type AnswerSink, type Attempt, type TokenUsage } from '../provider.js';
import type { EmbeddingsInput, EmbeddingsRequest } from '../requests/embeddings-request.js';
import { countEmbeddedTokens } from '../requests/embeddings-tokens.js';

/** As many as OpenAI's small model has, so that a table of vectors fits both. */
const DEFAULT_DIMENSIONS = 1_536;
const MAX_DIMENSIONS = 3_072;
const MAX_INPUTS = 2_048;
/** So many numbers are written at a time, before others have their turn. */
const NUMBERS_PER_TURN = 65_536;
const FORMATS = new Set([null, 'float', 'base64']);

/** Vectors of length 1 that depend on the input alone: the same for the same, and others for others. */
export class DummyEmbeddings implements Attempt {
  readonly status = 200;
  readonly answeredBy = null;
  readonly complete = false;
  private tokens: number | null = null;
  private aborted = false;

  /** @throws Fault invalid_input: more than it takes */
  constructor(
    private readonly request: EmbeddingsRequest,
    private readonly sink: AnswerSink,
    private readonly tokenizer: Tokenizer,
  ) {
    const { dimensions, encodingFormat, inputs } = request;
    if (!FORMATS.has(encodingFormat)) throw invalidField('encoding_format', 'must be float or base64');
    if (dimensions !== null && dimensions > MAX_DIMENSIONS)
      throw invalidField('dimensions', `must be at most ${MAX_DIMENSIONS} with this model`);
    if (inputs.length > MAX_INPUTS)
      throw invalidField('input', `must hold at most ${MAX_INPUTS} inputs with this model`);
  }

  async run(): Promise<void> {
    try {
      await this.tokenizer.load();
      const tokens = countEmbeddedTokens(this.tokenizer, this.request);
      this.tokens = tokens;
      const data = await this.vectors();
      if (this.aborted) return;
      const head = `{"object":"list","data":[`;
      const usage = { prompt_tokens: tokens, total_tokens: tokens };
      const rest = `],"model":${JSON.stringify(this.request.model)},"usage":${JSON.stringify(usage)}}`;
      this.sink.onJson({ 'content-type': 'application/json' }, Buffer.from(head + data.join() + rest));
    } catch (error) {
      const fault = new Fault('internal', 'An internal error occurred.', { cause: error });
      if (!this.aborted) this.sink.onFailure({ outcome: 'UPSTREAM_ERROR', error: fault });
    }
  }

  usage(): TokenUsage {
    return this.tokens === null ? NOTHING_USED : { ...NOTHING_USED, inputTokens: this.tokens };
  }

  abort(): void {
    this.aborted = true;
  }

  pause(): void {
    // There is no stream that could wait.
  }

  resume(): void {
    // Nor one that could go on.
  }

  private async vectors(): Promise<readonly string[]> {
    const { inputs, encodingFormat } = this.request;
    const dimensions = this.request.dimensions ?? DEFAULT_DIMENSIONS;
    const perTurn = Math.ceil(NUMBERS_PER_TURN / dimensions);
    const data: string[] = [];
    for (const [index, input] of inputs.entries()) {
      if (index % perTurn === perTurn - 1) await new Promise((resolve) => setImmediate(resolve));
      if (this.aborted) return data;
      const vector = vectorOf(input, dimensions);
      const embedding =
        encodingFormat === 'base64' ? Buffer.from(vector.buffer).toString('base64') : Array.from(vector);
      data.push(JSON.stringify({ object: 'embedding', index, embedding }));
    }
    return data;
  }
}

function vectorOf(input: EmbeddingsInput, dimensions: number): Float32Array {
  const text = typeof input === 'string' ? `text:${input}` : `tokens:${input.join()}`;
  let state = createHash('sha256').update(text).digest().readUInt32LE(0) || 1;
  const vector = new Float32Array(dimensions);
  let squares = 0;
  for (let at = 0; at < dimensions; at += 1) {
    // Marsaglia's xorshift: numbers that look random and cost nothing.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const number = (state >>> 0) / 0x8000_0000 - 1;
    vector[at] = number;
    squares += number * number;
  }
  const length = Math.sqrt(squares);
  return vector.map((number) => number / length);
}
