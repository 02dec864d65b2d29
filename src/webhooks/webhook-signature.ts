import { createHmac, randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

const PREFIX = 'whsec_';
/** Standard Webhooks asks for 24 to 64. */
const SECRET_BYTES = 32;

/** As Standard Webhooks writes a secret: `whsec_` and base64. */
export function newWebhookSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;
}

export interface SignedMessage {
  /** The event's id: the same at each attempt, so that a receiver knows one that it had. */
  readonly id: string;
  readonly sentAt: Date;
  /** As it goes over the wire. */
  readonly body: string;
}

/**
 * Names and values in turn. `webhook-signature` holds one signature for each secret, so that a receiver may know the new or
 * the old one while they overlap. `x-webhook-signature` is for receivers with nothing but an HMAC: hex, of the body alone,
 * under the newest secret, its key being the secret's whole text as it was shown, `whsec_` included.
 *
 * @param secrets newest first
 */
export function signatureHeaders(
  { id, sentAt, body }: SignedMessage,
  secrets: readonly [string, ...string[]],
): string[] {
  const [newest] = secrets;
  return [
    'webhook-id',
    id,
    'webhook-timestamp',
    String(Math.floor(sentAt.getTime() / 1000)),
    'webhook-signature',
    secrets.map((secret) => new Webhook(secret).sign(id, sentAt, body)).join(' '),
    'x-webhook-signature',
    createHmac('sha256', newest).update(body).digest('hex'),
  ];
}
