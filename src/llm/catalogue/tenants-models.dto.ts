import { z } from 'zod';
import { picoUsdPerToken } from '../../platform/config/index.js';
import { pageRequest } from '../../platform/http/index.js';
import { boolean, integer, text } from '../../platform/protojson/index.js';

const MAX_TOKENS = 1_000_000_000;
/** With more, the cost of the largest call would be no bigint of Postgres. */
const MAX_DOLLARS = 1_000n;
const PICO_USD = 1_000_000n;

const dollars = text(1, 20)
  .refine(
    (value) => picoUsdOf(value) !== null,
    `must be dollars for a million tokens, from 0 to ${MAX_DOLLARS}, with at most six decimals`,
  )
  .transform((value) => picoUsdOf(value) ?? 0n)
  .meta({ type: 'string', description: 'Dollars for a million tokens, like "2.5".' });

const price = z
  .strictObject({
    input: dollars,
    cachedInput: dollars
      .optional()
      .meta({ description: 'Input that the provider had in its cache. Absent: as input.' }),
    cacheWrite: dollars.optional().meta({ description: 'Input that it writes to its cache. Absent: as input.' }),
    output: dollars,
    asOf: z.iso
      .date('must be a date, like 2026-11-29')
      .optional()
      .meta({ description: 'The date of the price. Absent: today.' }),
  })
  .meta({ description: 'All prices of the model, together.' });

export const listModelsRequest = pageRequest;

export const updateModelRequest = z.strictObject({
  model: text(1, 256).meta({ description: 'The name that calls ask for.' }),
  contextTokens: integer(1, MAX_TOKENS).optional(),
  maxOutputTokens: integer(1, MAX_TOKENS).optional().meta({ description: 'Sent with each request under a budget.' }),
  hidesReasoning: boolean
    .optional()
    .meta({ description: 'Whether the model uses reasoning tokens that it does not show.' }),
  price: price.optional(),
  reset: boolean.default(false).meta({ description: 'true: removes all overrides; send nothing else.' }),
});
export type UpdateModelRequest = z.output<typeof updateModelRequest>;

const amount = z.string().meta({ description: 'Dollars for a million tokens.' });
const prices = {
  input: amount,
  cachedInput: amount,
  cacheWrite: amount,
  output: amount,
};

const modelView = z
  .object({
    model: z.string(),
    ownedBy: z.string(),
    targets: z
      .array(z.object({ provider: z.string(), model: z.string() }))
      .meta({ description: 'Where calls go, in order. Empty: no provider serves it.' }),
    contextTokens: z
      .number()
      .optional()
      .meta({ description: 'Absent: not known. The same holds for the fields below.' }),
    maxOutputTokens: z.number().optional(),
    hidesReasoning: z.boolean().optional(),
    capabilities: z.array(z.string()),
    price: z
      .object({
        ...prices,
        imageOutput: amount.optional(),
        longPrompts: z.object({ aboveTokens: z.number(), ...prices }).optional(),
        asOf: z.string().meta({ description: 'When it was true.' }),
        source: z.string().meta({ description: 'Where it was read.' }),
      })
      .optional(),
    overridden: z.boolean().meta({ description: 'Whether the tenant overrides the built-in facts.' }),
  })
  .meta({ 'x-name': 'TenantModel' });
export type ModelView = z.output<typeof modelView>;

export const listModelsResponse = z.object({ models: z.array(modelView), nextPageToken: z.string() });
export const updateModelResponse = z.object({ model: modelView });

function picoUsdOf(value: string): bigint | null {
  try {
    const pico = picoUsdPerToken(value);
    return pico <= MAX_DOLLARS * PICO_USD ? pico : null;
  } catch {
    return null;
  }
}
