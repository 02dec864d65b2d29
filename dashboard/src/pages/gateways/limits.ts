import type { Gateway } from '../../api/types.js';
import { formatWhole } from '../../format/format.js';
import { textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';

type Limits = Gateway['rateLimit'];
type Window = NonNullable<Limits['requests']>['window'];

export const WINDOWS = ['MINUTE', 'HOUR', 'DAY', 'MONTH'] as const satisfies readonly Window[];

/** The limits in words. */
export function saidLimits({ requests, tokens }: Limits): readonly string[] {
  const windowOf = (window: Window): string => m.gateways.windows[window] ?? window;
  return [
    ...(requests === undefined ? [] : [m.gateways.requests(formatWhole(requests.limit), windowOf(requests.window))]),
    ...(tokens === undefined ? [] : [m.gateways.tokens(formatWhole(tokens.limit), windowOf(tokens.window))]),
  ];
}

/** The limits that were filled in on a form. */
export function limitsOf(form: FormData): Limits {
  const read = (name: 'requests' | 'tokens'): Limits => {
    const limit = textOf(form, `rateLimit.${name}.limit`);
    const window = WINDOWS.find((one) => one === textOf(form, `rateLimit.${name}.window`)) ?? 'MINUTE';
    return limit === '' ? {} : { [name]: { limit, window } };
  };
  return { ...read('requests'), ...read('tokens') };
}
