export const STATUSES = ['Success', 'Error', 'Timeout'] as const;

/** The address of the page holds the filters of the log. */
export interface CallsSearch {
  readonly status?: (typeof STATUSES)[number];
  readonly model?: string;
  readonly provider?: string;
  readonly keyId?: string;
  readonly human?: string;
  readonly gatewayId?: string;
  readonly requestId?: string;
  /** The call that is open beside the list. */
  readonly call?: string;
}

const TEXTS = ['model', 'provider', 'keyId', 'human', 'gatewayId', 'requestId', 'call'] as const;

export function readCallsSearch(search: Record<string, unknown>): CallsSearch {
  const status = STATUSES.find((one) => one === search['status']);
  const texts = TEXTS.map((name) => [name, search[name]] as const)
    .filter(([, value]) => (typeof value === 'string' && value !== '') || typeof value === 'number')
    .map(([name, value]) => [name, String(value)] as const);
  return { ...(status === undefined ? {} : { status }), ...Object.fromEntries(texts) };
}
