import { ApiExtension } from '@nestjs/swagger';
import type { AnswerCode, ErrorCode, FaultKind } from '../errors/index.js';

/** In OpenAPI, until the document replaces it by the responses that it stands for. */
export const REFUSES_EXTENSION = 'x-refuses';

export type Refusal = FaultKind | ErrorCode | AnswerCode;

/**
 * Tells in OpenAPI how a handler can refuse a request, beside the refusals that follow from how it is declared: from its
 * access, its body, its parameters and its Idempotency-Key.
 */
export const Refuses = (...refusals: readonly Refusal[]): MethodDecorator => ApiExtension(REFUSES_EXTENSION, refusals);
