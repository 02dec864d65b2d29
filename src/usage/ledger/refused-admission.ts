import { unknownCredential } from '../../identity/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import type { Verdict } from './ledger-statements.js';
import type { Reservation } from './usage.types.js';

/** What the caller of a refused reservation is told; nothing of it went upstream. */
export function refusedAdmission(verdict: Verdict, { boundless, model }: Reservation): Fault {
  switch (verdict) {
    case 'gone':
      return unknownCredential();
    case 'boundless':
      return invalidField(
        boundless ?? 'messages',
        'holds content whose usage has no known bound; it is not allowed under a limit of token_cnt or cost_micros',
        'usage_not_bounded',
      );
    case 'unpriced':
      return invalidField(
        'model',
        `${model} has no known price; it is not allowed under a limit of cost_micros`,
        'model_without_price',
      );
    case 'request_cnt':
    case 'token_cnt':
    case 'cost_micros':
      return new Fault('usage_limit_exceeded', `The limit of ${verdict} leaves no room for this request.`, {
        shouldRetry: false,
      });
    default:
      return verdict satisfies never;
  }
}
