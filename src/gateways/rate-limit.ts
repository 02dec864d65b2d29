import { z } from 'zod';
import { PLAIN_PERIODS, type PlainBudget } from '../limits/index.js';
import { enumeration, int64 } from '../platform/protojson/index.js';

/** In millionths it is still a bigint of Postgres. */
const MAX_LIMIT = 9_000_000_000_000n;

/** What a gateway's or a token's limit is called, and the budget's type behind it. */
const TYPES = { requests: 'request_cnt', tokens: 'token_cnt', cost: 'cost_micros' } as const;
type LimitName = keyof typeof TYPES;
const NAMES = Object.keys(TYPES) as readonly LimitName[];

const window = enumeration(PLAIN_PERIODS).meta({ description: 'Fixed windows: calendar ones, of UTC.' });
const limit = (what: string) =>
  z.strictObject({ limit: int64(0n, MAX_LIMIT).meta({ description: `${what}; 0 blocks.` }), window }).optional();

export const rateLimit = z
  .strictObject({
    requests: limit('Requests'),
    tokens: limit('Tokens, of input and output together'),
    cost: limit('Millionths of a dollar'),
  })
  .meta({ description: 'The first limit that is reached refuses calls. Set more with /api/v1/budgets/set.' });
export type RateLimit = z.output<typeof rateLimit>;

const limitView = z
  .object({ limit: z.string().meta({ format: 'int64' }), window: z.enum(PLAIN_PERIODS) })
  .optional()
  .meta({ description: 'If there are several, the one with the shortest window; /api/v1/budgets/list has all.' });

export const rateLimitView = z
  .object({ requests: limitView, tokens: limitView, cost: limitView })
  .meta({ 'x-name': 'GatewayRateLimit' });
export type RateLimitView = z.output<typeof rateLimitView>;

/** The limits as the budgets that they are. */
export function budgetsOf(limits: RateLimit): PlainBudget[] {
  return NAMES.flatMap((name) => {
    const { [name]: set } = limits;
    return set === undefined ? [] : [{ type: TYPES[name], period: set.window, limit: set.limit }];
  });
}

/** @param budgets those of one type with the shortest period first */
export function viewRateLimit(budgets: readonly PlainBudget[]): RateLimitView {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const first = budgets.find(({ type }) => type === TYPES[name]);
      return first === undefined ? [] : [[name, { limit: String(first.limit), window: first.period }]];
    }),
  );
}

export function holderOfGateway(gatewayId: string): string {
  return `gateway:${gatewayId}`;
}

export function holderOfToken(tokenId: string): string {
  return `gateway_token:${tokenId}`;
}
