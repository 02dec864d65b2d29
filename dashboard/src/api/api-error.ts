export interface FieldFault {
  readonly field: string;
  readonly reason: string;
}

/** A refusal of the API, in the API's own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fields: readonly FieldFault[],
    readonly requestId: string,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** No answer came: the network or the service is unreachable. */
export class UnreachableError extends Error {
  constructor(options?: ErrorOptions) {
    super('unreachable', options);
    this.name = 'UnreachableError';
  }
}

interface ErrorBody {
  readonly error?: {
    readonly message?: string;
    readonly details?: unknown;
    readonly requestId?: string;
    /** OpenAI's surface names one field so. */
    readonly param?: string | null;
  };
}

/** Reads an error of any of the API's surfaces. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as ErrorBody | null;
  const { message, details, requestId, param } = body?.error ?? {};
  const fields = Array.isArray(details) ? details.filter(isFieldFault) : [];
  if (param) fields.push({ field: param, reason: message ?? '' });
  return new ApiError(
    response.status,
    message ?? `${response.status} ${response.statusText}`,
    fields,
    requestId ?? response.headers.get('x-request-id') ?? '',
  );
}

function isFieldFault(detail: unknown): detail is FieldFault {
  return typeof detail === 'object' && detail !== null && 'field' in detail && 'reason' in detail;
}

/** The server's objections by field, for a form. */
export function faultsByField(error: unknown): Record<string, string> {
  if (!(error instanceof ApiError)) return {};
  return Object.fromEntries(error.fields.map(({ field, reason }) => [nameOf(field), reason]));
}

/** `targets.0.model` is `targets[0].model`. An item at the end is left out: a list of words is one field on a form. */
function nameOf(field: string): string {
  return field.replaceAll(/\.(\d+)(?=\.|$)/g, '[$1]').replace(/\[\d+\]$/, '');
}
