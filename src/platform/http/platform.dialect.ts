import { z } from 'zod';
import type { Fault, FaultKind } from '../errors/index.js';
import { currentRequestContext } from '../context/index.js';
import { isLongMessage, writeMessage, writeMessageSteps } from '../protojson/index.js';
import type { Dialect } from './dialect.js';
import { inTurns, READING_TURNS } from './reading-turns.js';

/** gRPC's canonical names, for the platform surface. */
const CANONICAL_STATUS: Readonly<Record<FaultKind, string>> = {
  invalid_input: 'INVALID_ARGUMENT',
  unauthenticated: 'UNAUTHENTICATED',
  permission_denied: 'PERMISSION_DENIED',
  not_found: 'NOT_FOUND',
  method_not_allowed: 'UNIMPLEMENTED',
  already_exists: 'ALREADY_EXISTS',
  conflict: 'ABORTED',
  payload_too_large: 'INVALID_ARGUMENT',
  unsupported_media_type: 'INVALID_ARGUMENT',
  rate_limited: 'RESOURCE_EXHAUSTED',
  usage_limit_exceeded: 'RESOURCE_EXHAUSTED',
  usage_limit_busy: 'RESOURCE_EXHAUSTED',
  internal: 'INTERNAL',
  upstream_failed: 'UNAVAILABLE',
  unavailable: 'UNAVAILABLE',
  upstream_timeout: 'DEADLINE_EXCEEDED',
};

const errorSchema = z
  .strictObject({
    error: z.strictObject({
      code: z.int().meta({ description: 'The HTTP status.' }),
      status: z.enum([...new Set(Object.values(CANONICAL_STATUS))]),
      message: z.string().meta({ description: 'For people; it may change.' }),
      details: z.array(
        z.strictObject({
          field: z.string().optional().meta({ description: 'The field at fault, as it was sent.' }),
          reason: z
            .string()
            .meta({ description: 'What is wrong with the field, or the code of a refused credential.' }),
        }),
      ),
      requestId: z.string().meta({ description: 'The same as `x-request-id`; the log has it.' }),
    }),
  })
  .meta({ 'x-name': 'PlatformError' });

/** The platform surface, and every path that no other dialect owns. */
export const PLATFORM_DIALECT: Dialect = {
  name: 'platform',
  prefixes: ['/'],
  renderError: (fault, requestId) => ({
    error: {
      code: fault.status,
      status: CANONICAL_STATUS[fault.kind],
      message: fault.message,
      details: detailsOf(fault),
      requestId,
    },
  }),
  errorSchema,
  writeAnswer: (answer, schema) => (isLongMessage(answer) ? writeLong(answer, schema) : writeMessage(answer, schema)),
};

/** A page of 500 holds the event loop for tens of milliseconds, if it is written at once. */
function writeLong(answer: unknown, schema: z.ZodType): Promise<unknown> {
  const owner = currentRequestContext()?.tenantId ?? PLATFORM_DIALECT;
  return inTurns(writeMessageSteps(answer, schema), () => READING_TURNS.next(owner));
}

/**
 * The fields at fault. For a refused credential also the reason, named as in google.rpc.ErrorInfo: `code` holds the status
 * there, and all of these are 401.
 */
function detailsOf({ kind, code, fields }: Fault): object[] {
  const details: object[] = fields.map(({ field, reason }) => ({ field, reason }));
  return kind === 'unauthenticated' ? [...details, { reason: code ?? 'invalid_credential' }] : details;
}
