import { SetMetadata } from '@nestjs/common';
import { DeclaredMetadata } from '../platform/http/index.js';

const METADATA = 'gatehouse:audited-by-reservation';

/** The handlers that say so. */
export const AUDITED_BY_RESERVATION = new DeclaredMetadata<true>(METADATA);

/**
 * Says of a handler that its impersonated calls are written down by the reservation of what they use, in its transaction.
 * All other handlers' are written down before they run.
 */
export const AuditedByReservation = (): MethodDecorator => SetMetadata(METADATA, true);
