/** OpenAI's answers to calls of its embeddings. */

interface Asked {
  readonly model: string;
  readonly input: string | readonly (string | number | readonly number[])[];
  readonly dimensions?: number | null;
  readonly encoding_format?: 'float' | 'base64' | null;
}

/** Vectors of the requested length, or of three numbers; every input counts for five tokens. */
export function embeddings(body: Buffer): object {
  const asked = JSON.parse(body.toString('utf8')) as Asked;
  const count = typeof asked.input === 'string' || typeof asked.input[0] === 'number' ? 1 : asked.input.length;
  const data = Array.from({ length: count }, (_, index) => {
    const vector = Float32Array.from({ length: asked.dimensions ?? 3 }, (_, at) => (index + 1) / (at + 2));
    const embedding =
      asked.encoding_format === 'base64' ? Buffer.from(vector.buffer).toString('base64') : Array.from(vector);
    return { object: 'embedding', index, embedding };
  });
  return { object: 'list', data, model: asked.model, usage: { prompt_tokens: 5 * count, total_tokens: 5 * count } };
}
