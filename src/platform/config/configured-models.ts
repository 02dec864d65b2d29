import { z } from 'zod';

/** Whose tokenizer a model's texts are counted by; `unknown` is always right, and bounds prompts the least closely. */
export const TOKEN_FAMILIES = [
  'o200k',
  'cl100k',
  'claude',
  'gemini',
  'llama',
  'mistral',
  'deepseek',
  'qwen',
  'unknown',
] as const;
export type TokenFamily = (typeof TOKEN_FAMILIES)[number];

/** A model as the operator describes it. Prices are per token, in millionths of a micro-dollar (10^-12 USD). */
export interface ConfiguredModel {
  readonly id: string;
  readonly family: TokenFamily;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  readonly outputField: 'max_tokens' | 'max_completion_tokens';
  /** Whether it thinks in tokens that it does not show; null: not known. */
  readonly hidesReasoning: boolean | null;
  readonly price: {
    readonly inputPicoUsd: bigint;
    readonly cachedInputPicoUsd: bigint;
    readonly cacheWritePicoUsd?: bigint;
    readonly outputPicoUsd: bigint;
    readonly asOf: string;
  } | null;
}

const DOLLARS = /^(\d{1,9})(?:\.(\d{1,6}))?$/;

/**
 * Dollars for a million tokens, as they are written, into 10^-12 USD for one: exactly, digit by digit.
 * @throws RangeError where it is not such an amount, or has more than six decimals
 */
export function picoUsdPerToken(dollars: string): bigint {
  const match = DOLLARS.exec(dollars);
  if (match === null) throw new RangeError('No amount of dollars with at most six decimals.');
  return BigInt(match[1] + (match[2] ?? '').padEnd(6, '0'));
}

/** A number's shortest spelling is the one that it was written with, as far as six decimals and nine digits go. */
const dollars = z
  .union([z.number().transform(String), z.string()], { error: 'must be dollars for a million tokens' })
  .refine((value) => DOLLARS.test(value), 'must be dollars for a million tokens, 0 or more, with at most six decimals')
  .transform(picoUsdPerToken);

const tokens = z.int('must be a whole number').min(1, 'must be at least 1').max(1_000_000_000, 'is too large');

const price = z.strictObject(
  {
    input: dollars,
    cached_input: dollars.optional(),
    cache_write: dollars.optional(),
    output: dollars,
    as_of: z.iso.date('must be a date').optional(),
  },
  { error: (issue) => told(issue, 'must be an object') },
);

const model = z
  .strictObject(
    {
      id: z.string({ error: 'must be a string' }).min(1, 'must not be empty').max(256, 'is too long'),
      family: z.enum(TOKEN_FAMILIES, `must be one of ${TOKEN_FAMILIES.join(', ')}`).default('unknown'),
      context_tokens: tokens,
      max_output_tokens: tokens,
      output_field: z
        .enum(['max_tokens', 'max_completion_tokens'], 'must be max_tokens or max_completion_tokens')
        .default('max_tokens'),
      hides_reasoning: z.boolean('must be true or false').optional(),
      price: price.optional(),
    },
    { error: (issue) => told(issue, 'must be an object') },
  )
  .transform((written): ConfiguredModel => ({
    id: written.id,
    family: written.family,
    contextTokens: written.context_tokens,
    maxOutputTokens: written.max_output_tokens,
    outputField: written.output_field,
    hidesReasoning: written.hides_reasoning ?? null,
    price:
      written.price === undefined
        ? null
        : {
            inputPicoUsd: written.price.input,
            // Without a price of their own cached tokens cost what the others do.
            cachedInputPicoUsd: written.price.cached_input ?? written.price.input,
            ...(written.price.cache_write === undefined ? {} : { cacheWritePicoUsd: written.price.cache_write }),
            outputPicoUsd: written.price.output,
            asOf: written.price.as_of ?? 'unknown',
          },
  }));

function told(issue: { readonly code?: string; readonly keys?: unknown }, otherwise: string): string {
  return issue.code === 'unrecognized_keys' ? `has unknown fields: ${String(issue.keys)}` : otherwise;
}

/** `GATEHOUSE_MODELS`: a JSON array; an error names the place and the field. */
export const configuredModels: z.ZodType<readonly ConfiguredModel[]> = z.string().transform((text, context) => {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    context.addIssue('must be a JSON array of models');
    return z.NEVER;
  }
  const read = z.array(model, 'must be a JSON array of models').safeParse(written);
  if (!read.success) {
    const [issue] = read.error.issues;
    const path = (issue?.path ?? [])
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
      .join('');
    context.addIssue(path === '' ? (issue?.message ?? 'is not valid') : `${path}: ${issue?.message ?? 'is not valid'}`);
    return z.NEVER;
  }
  const repeated = read.data.find(({ id }, at) => read.data.findIndex((other) => other.id === id) !== at);
  if (repeated !== undefined) {
    context.addIssue(`names ${repeated.id} twice`);
    return z.NEVER;
  }
  return read.data;
});
