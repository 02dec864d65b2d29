import { z } from 'zod';

const MOST_INPUTS = 1_000;

/** A missing field means the same as `null`. */
const orNull = <T>(schema: z.ZodType<T>) => schema.nullish().transform((value) => value ?? null);

/** Clients of this protocol send more fields than these; they have no effect here. */
export const processRequest = z.object({
  service: z.object({
    serviceId: z.string().min(1).max(256),
    engine: orNull(z.string().min(1).max(200)),
    url: orNull(z.string().max(2_048)),
    /** For `aisbreaker:network`: the service to ask of the other server, in that server's words. */
    forward2ServiceProps: orNull(z.looseObject({ serviceId: z.string().min(1).max(256) })),
  }),
  request: z.object({
    inputs: z
      .array(
        z.object({
          text: z.object({ role: z.enum(['user', 'assistant', 'system']).default('user'), content: z.string() }),
        }),
      )
      .min(1)
      .max(MOST_INPUTS),
    conversationState: orNull(z.string()),
    stream: z
      .boolean()
      .nullish()
      .transform((value) => value === true),
  }),
});
export type ProcessRequest = z.output<typeof processRequest>;

/** One message of a conversation. */
export interface Said {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: string;
}
