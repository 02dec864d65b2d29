import { ApiExtension } from '@nestjs/swagger';
import type { AnswerCode, ErrorCode, FaultKind } from '../errors/index.js';

/** In OpenAPI, until the document replaces it by the responses that it stands for. */
export const REFUSES_EXTENSION = 'x-refuses';

export type Refusal = FaultKind | ErrorCode | AnswerCode;

/**
 * Declares in OpenAPI how a handler can refuse a request. The refusals that follow from its access, body, parameters and
 * Idempotency-Key need no declaration.
 */
export const Refuses = (...refusals: readonly Refusal[]): MethodDecorator => ApiExtension(REFUSES_EXTENSION, refusals);
