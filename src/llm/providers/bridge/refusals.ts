import { invalidField, type ErrorCode, type Fault } from '../../../platform/errors/index.js';

/** How a caller tells this refusal from others, and tries another provider. */
const CODE = 'unsupported_by_provider' satisfies ErrorCode;

/** Something that is right by OpenAI's contract, and that this provider has no place for. */
export function unsupported(field: string, provider: string, instead = 'leave it out'): Fault {
  return invalidField(field, `is not supported by the provider ${provider}; ${instead}`, CODE);
}

/** A value that this provider can't take, and what it can. */
export function limitedTo(field: string, expected: string, provider: string): Fault {
  return invalidField(field, `must be ${expected} with the provider ${provider}`, CODE);
}
