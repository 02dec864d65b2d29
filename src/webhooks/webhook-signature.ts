import { createHmac, randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

const PREFIX = 'whsec_';
/** Standard Webhooks requires 24 to 64. */
const SECRET_BYTES = 32;

/** As Standard Webhooks writes a secret: `whsec_` and base64. */
export function newWebhookSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;
}

export interface SignedMessage {
  /** The event's id: the same at each attempt, so that a receiver recognises a repeat. */
  readonly id: string;
  readonly sentAt: Date;
  /** As it is sent. */
  readonly body: string;
}

/**
 * Names and values in turn. `webhook-signature` holds one signature for each secret, so that a receiver may use the new or the
 * old one while both are valid. `x-webhook-signature` is for receivers that can only do an HMAC: hex, of the body alone, keyed
 * by the newest secret's whole text, with `whsec_`.
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
