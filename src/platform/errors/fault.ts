import type { ErrorCode } from './error-codes.js';
import { FAULT_STATUS, type FaultKind } from './fault-kinds.js';

/** One field of the input that is at fault: `field` as the caller wrote it, dotted for nested ones. */
export interface FieldFault {
  readonly field: string;
  readonly reason: string;
}

export interface FaultOptions {
  readonly fields?: readonly FieldFault[] | undefined;
  /** A stable reason for programs, one of the registry's; becomes OpenAI's `code`. */
  readonly code?: ErrorCode | undefined;
  readonly retryAfterSeconds?: number | undefined;
  /** `false` tells OpenAI's clients not to try again (`x-should-retry`). */
  readonly shouldRetry?: boolean | undefined;
  /** What it is about, for programs; stands beside the message where the dialect has a place for it. */
  readonly about?: Readonly<Record<string, string>> | undefined;
  /** For the log alone; never rendered. */
  readonly cause?: unknown;
}

/**
 * The one error that is meant for the caller: its message is public, its cause is for the log. Anything else that is
 * thrown becomes `internal` with a fixed text, so that no inner message leaks.
 */
export class Fault extends Error {
  readonly kind: FaultKind;
  readonly fields: readonly FieldFault[];
  readonly code: ErrorCode | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly shouldRetry: boolean | undefined;
  readonly about: Readonly<Record<string, string>> | undefined;

  constructor(kind: FaultKind, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.kind = kind;
    this.fields = options.fields ?? [];
    this.code = options.code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.shouldRetry = options.shouldRetry;
    this.about = options.about;
  }

  get status(): number {
    return FAULT_STATUS[this.kind];
  }

  /** The same, and OpenAI's clients are told not to try again by themselves. */
  withoutRetry(): Fault {
    const { kind, message, fields, code, retryAfterSeconds, about, cause } = this;
    return new Fault(kind, message, { fields, code, retryAfterSeconds, about, cause, shouldRetry: false });
  }
}

/** Bad input at one named field. */
export function invalidField(field: string, reason: string, code?: ErrorCode): Fault {
  return new Fault('invalid_input', `${field}: ${reason}`, {
    fields: [{ field, reason }],
    ...(code === undefined ? {} : { code }),
  });
}
