import { refusedCredential } from '../../identity/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import type { Refusal } from './admissions.js';
import type { Blame } from './ledger-statements.js';
import type { Reservation } from './usage.types.js';

const WHOSE: Readonly<Record<Blame['holder'], string>> = {
  tenant: "The tenant's",
  key: "The key's",
  gateway: "The gateway's",
  gateway_token: "The gateway token's",
  human: "The human's",
};
const PER: Readonly<Record<string, string>> = {
  MINUTE: ' a minute',
  HOUR: ' an hour',
  DAY: ' a day',
  WEEK: ' a week',
  MONTH: ' a month',
};
/** A caller that must wait longer than this should not retry by itself. */
const SOON_MS = 60_000;

/** The error for the caller of a refused reservation; nothing was sent upstream. */
export function refusedAdmission({ verdict, blame }: Refusal, { boundless, unpriced, model }: Reservation): Fault {
  switch (verdict) {
    case 'gone':
      return refusedCredential('gone_meanwhile');
    case 'boundless':
      return invalidField(
        boundless ?? 'messages',
        'holds content whose usage is not known beforehand, which a limit of token_cnt or cost_micros does not allow',
        'usage_not_bounded',
      );
    case 'unpriced':
      if (unpriced !== null && unpriced !== undefined) {
        return invalidField(
          unpriced,
          'asks for a price that is not known beforehand (cache_control), which a limit of cost_micros does not allow',
          'usage_not_bounded',
        );
      }
      return invalidField(
        'model',
        `${model} has no known price, which a limit of cost_micros does not allow; set one with /api/v1/llm/models/update or GATEHOUSE_MODELS`,
        'model_without_price',
      );
    case 'exceeded':
      return exceeded(blame);
    case 'rough':
      throw new TypeError('A rough bound is made closer before a call is refused.');
    case 'busy':
      return new Fault(
        'usage_limit_busy',
        `${nameOf(blame)} has room for this request, but open calls hold it; try again when they have ended.`,
        { retryAfterSeconds: 1, ...aboutOf(blame) },
      );
    default:
      return verdict satisfies never;
  }
}

function exceeded(blame: Blame | null): Fault {
  const renewsInMs = blame?.resets_in_ms ?? null;
  const message = `${nameOf(blame)} has too little left for this request.`;
  if (renewsInMs === null) {
    return new Fault('usage_limit_exceeded', `${message} Ask for less, or raise it with /api/v1/budgets/set.`, {
      shouldRetry: false,
      ...aboutOf(blame),
    });
  }
  return new Fault(
    'usage_limit_exceeded',
    `${message} It renews at ${blame?.resets_at}; ask for less, or try again then.`,
    {
      retryAfterSeconds: renewsInMs / 1000,
      ...(renewsInMs > SOON_MS ? { shouldRetry: false } : {}),
      ...aboutOf(blame),
    },
  );
}

function nameOf(blame: Blame | null): string {
  return blame === null ? 'A limit' : `${WHOSE[blame.holder]} limit of ${blame.type}${PER[blame.period] ?? ''}`;
}

function aboutOf(blame: Blame | null): { about?: Readonly<Record<string, string>> } {
  if (blame === null) return {};
  const { holder, type, period, resets_at: resetsAt } = blame;
  return { about: { holder, type, period, ...(resetsAt === null ? {} : { resets_at: resetsAt }) } };
}
