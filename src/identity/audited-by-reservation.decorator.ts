import { SetMetadata } from '@nestjs/common';

export const AUDITED_BY_RESERVATION_METADATA = 'gatehouse:audited-by-reservation';

/**
 * Says of a handler that its impersonated calls are written down by the reservation of what they use, in its transaction.
 * All other handlers' are written down before they run.
 */
export const AuditedByReservation = (): MethodDecorator => SetMetadata(AUDITED_BY_RESERVATION_METADATA, true);
