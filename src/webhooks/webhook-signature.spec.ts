import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { newWebhookSecret, signatureHeaders } from './webhook-signature.js';

const BODY = '{"type":"usage.tracked","payload":{"human":"ünï 😀"}}';

const headersOf = (secrets: readonly [string, ...string[]]): Record<string, string> => {
  const flat = signatureHeaders({ id: 'event-1', sentAt: new Date(), body: BODY }, secrets);
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]!]] : [])));
};

it('a secret has the format of Standard Webhooks, and never repeats', () => {
  const [one, other] = [newWebhookSecret(), newWebhookSecret()];
  expect(one).not.toBe(other);
  const [, key] = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(one)!;
  expect(Buffer.from(key!, 'base64')).toHaveLength(32);
});

it("the library's example gives the published signature", () => {
  const flat = signatureHeaders(
    {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      sentAt: new Date(1_614_265_330_000),
      body: '{"test": 2432232314}',
    },
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  );
  expect(flat[5]).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

it('each of the secrets verifies, another one does not, nor does another body', () => {
  const secrets = [newWebhookSecret(), newWebhookSecret()] as const;
  const headers = headersOf(secrets);
  for (const secret of secrets) {
    expect(new Webhook(secret).verify(BODY, headers)).toEqual(JSON.parse(BODY));
    expect(() => new Webhook(secret).verify(`${BODY} `, headers)).toThrow();
  }
  expect(() => new Webhook(newWebhookSecret()).verify(BODY, headers)).toThrow();
});

it('the plain signature is the HMAC of the body, its key the text of the newest secret', () => {
  const secrets = [newWebhookSecret(), newWebhookSecret()] as const;
  const expected = createHmac('sha256', Buffer.from(secrets[0], 'utf8')).update(Buffer.from(BODY)).digest('hex');
  expect(headersOf(secrets)['x-webhook-signature']).toBe(expected);
});
