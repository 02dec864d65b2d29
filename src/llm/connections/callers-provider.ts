import { Fault, type AnswerCode } from '../../platform/errors/index.js';
import type {
  AnswerHeaders,
  AnswerSink,
  Attempt,
  OperationName,
  OperationRequests,
  Provider,
  ProviderFailure,
  ProviderRefusal,
} from '../providers/provider.js';

const MESSAGE = 'The model provider refused the credential that came with this call.';

/** Of a credential that is the caller's own, which the caller can mend. */
const REFUSED_CREDENTIAL: ProviderRefusal = {
  status: 401,
  headers: {},
  body: {
    type: 'authentication_error',
    message: MESSAGE,
    error: {
      message: MESSAGE,
      type: 'authentication_error',
      param: null,
      code: 'invalid_api_key' satisfies AnswerCode,
    },
  },
};

/**
 * A provider that is called with its caller's own credential: the caller is told of its refusal, which else is our
 * failure.
 */
export class CallersProvider implements Provider {
  constructor(private readonly inner: Provider) {}

  get name(): string {
    return this.inner.name;
  }

  get kind(): string {
    return this.inner.kind;
  }

  get catalogue(): Provider['catalogue'] {
    return this.inner.catalogue;
  }

  get operations(): Provider['operations'] {
    return this.inner.operations;
  }

  start<Name extends OperationName>(operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt {
    return this.inner.start(operation, request, new CallersSink(sink));
  }
}

class CallersSink implements AnswerSink {
  constructor(private readonly inner: AnswerSink) {}

  onJson(headers: AnswerHeaders, body: Buffer): void {
    this.inner.onJson(headers, body);
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    this.inner.onStreamData(headers, events);
  }

  onStreamEnd(): void {
    this.inner.onStreamEnd();
  }

  onFailure(failure: ProviderFailure): void {
    const { error } = failure;
    const isOfCredential = error instanceof Fault && error.code === 'provider_authentication_failed';
    this.inner.onFailure(isOfCredential ? { ...failure, error: REFUSED_CREDENTIAL } : failure);
  }

  onLate(failure: ProviderFailure): boolean {
    return this.inner.onLate(failure);
  }

  onKept(bytes: number): boolean {
    return this.inner.onKept?.(bytes) !== false;
  }
}
