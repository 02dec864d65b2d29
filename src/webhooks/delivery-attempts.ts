import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { EnvelopeError } from '../platform/crypto/index.js';
import { Fault } from '../platform/errors/index.js';
import { OutboundHttp, type OutboundError, type OutboundHandler } from '../platform/outbound/index.js';
import { logger } from '../platform/logging/index.js';
import type { AttemptOutcome, ClaimedDelivery, DeliveryError } from './delivery.types.js';
import { WebhookSecrets } from './webhook-secrets.js';
import { signatureHeaders } from './webhook-signature.js';

/** The answer's body is not stored, since it may hold personal data. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Sends a signed delivery once, and reports the outcome. */
@Injectable()
export class DeliveryAttempts {
  constructor(
    private readonly outbound: OutboundHttp,
    private readonly secrets: WebhookSecrets,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'webhookTimeoutMs'>,
  ) {}

  /** Never rejects. Null: our own stop cut the attempt off, and its outcome is unknown. */
  async attempt(delivery: ClaimedDelivery): Promise<AttemptOutcome | null> {
    const secrets = this.reveal(delivery);
    if (secrets === null) return { statusCode: null, error: 'INTERNAL' };
    const body = `{"type":${JSON.stringify(delivery.type)},"payload":${delivery.payload}}`;
    return this.post(delivery.url, body, [
      ...['content-type', 'application/json', 'user-agent', 'Gatehouse'],
      ...signatureHeaders({ id: delivery.eventId, sentAt: new Date(), body }, secrets),
    ]);
  }

  private reveal({ tenantId, endpointId, secrets }: ClaimedDelivery): readonly [string, ...string[]] | null {
    try {
      const [newest, ...older] = secrets.map((stored) => this.secrets.reveal(tenantId, stored));
      if (newest !== undefined) return [newest, ...older];
      logger.error({ tenantId, endpointId }, 'A webhook endpoint has no secret.');
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      logger.error({ err: error, tenantId, endpointId }, "A webhook endpoint's secret could not be decrypted.");
    }
    return null;
  }

  /**
   * The URL is judged again, since it may have been stored under other settings. Its address is
   * judged when the socket connects.
   */
  private post(text: string, body: string, headers: string[]): Promise<AttemptOutcome | null> {
    let url: URL;
    try {
      url = this.outbound.assertAllowedUrl(text, 'url');
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return Promise.resolve({ statusCode: null, error: 'UNREACHABLE' });
    }
    const timeoutMs = this.settings.webhookTimeoutMs;
    return new Promise((resolve) => {
      this.outbound.dispatch(
        {
          policy: 'tenant',
          origin: url.origin,
          path: url.pathname + url.search,
          method: 'POST',
          headers,
          body,
          firstByteTimeoutMs: timeoutMs,
          idleTimeoutMs: timeoutMs,
          totalTimeoutMs: timeoutMs,
          maxBytes: MAX_ANSWER_BYTES,
        },
        new StatusListener(resolve),
      );
    });
  }
}

/** Ends with the status, so that a slow body delays nothing. */
class StatusListener implements OutboundHandler {
  constructor(private readonly resolve: (outcome: AttemptOutcome | null) => void) {}

  onHeaders(statusCode: number): void {
    this.resolve({ statusCode, error: errorOf(statusCode) });
  }

  onData(): void {
    // The body is not read.
  }

  onEnd(): void {
    // The status was enough.
  }

  onError({ reason }: OutboundError): void {
    switch (reason) {
      case 'aborted':
        return this.resolve(null);
      case 'forbidden':
      case 'connect':
        return this.resolve({ statusCode: null, error: 'UNREACHABLE' });
      case 'timeout':
        return this.resolve({ statusCode: null, error: 'TIMEOUT' });
      case 'broken':
      case 'too_large':
        return this.resolve({ statusCode: null, error: 'BROKEN' });
    }
  }
}

function errorOf(statusCode: number): DeliveryError | null {
  if (statusCode >= 200 && statusCode < 300) return null;
  if (statusCode === 410) return 'GONE';
  return statusCode >= 300 && statusCode < 400 ? 'REDIRECT' : 'REFUSED';
}
