/** What specs do with sealed access tokens. */
import type { Answer, ServiceClient } from '../../support/service-client.js';

export interface Secret {
  readonly serviceId: string;
  readonly authSecret: string;
}

export type Limits = readonly [minute: number, hour: number, day: number];

export interface Wishes {
  readonly secrets?: readonly Secret[];
  readonly client?: Limits;
  readonly global?: Limits;
  readonly span?: string;
  /** The host that the token is requested at; absent: the service's. */
  readonly host?: string;
  /** Absent: the token is made without a credential. */
  readonly key?: string;
}

export const OPENAI_SECRET = 'sk-proj-sealed-canary-0123456789';

/** The upstream's requests are recognised by this secret. */
export const OPENAI: Secret = { serviceId: 'chat:openai.com', authSecret: OPENAI_SECRET };

const limits = ([minute, hour, day]: Limits) => ({
  requestsPerMinute: minute,
  requestsPerHour: hour,
  requestsPerDay: day,
});

export const MANY: Limits = [1_000_000, 1_000_000, 1_000_000];

/** Settings under which no quota of sealed tokens ends. */
export const MANY_OF_EACH = {
  sealedGlobalQuota: MANY,
  sealedClientQuota: MANY,
  anonymousGlobalQuota: MANY,
  anonymousClientQuota: MANY,
};

export function mintBody({ secrets = [OPENAI], client, global, span }: Wishes = {}): object {
  return {
    requestAuthAndQuotas: {
      ...(client === undefined && global === undefined
        ? {}
        : {
            requestQuotas: {
              perClientRequestLimits: limits(client ?? MANY),
              globalRequestLimits: limits(global ?? MANY),
            },
          }),
      serviceSecrets: secrets,
    },
    ...(span === undefined ? {} : { expirationTimeSpan: span }),
  };
}

export const askForToken = (service: ServiceClient, wishes: Wishes = {}): Promise<Answer> =>
  service.call('POST', '/api/v1/oauth/token', {
    body: mintBody(wishes),
    headers: {
      ...(wishes.key === undefined ? {} : { 'x-api-key': wishes.key }),
      ...(wishes.host === undefined ? {} : { host: wishes.host }),
    },
  });

export interface MintedToken {
  readonly token: string;
  readonly jti: string;
}

export async function mint(service: ServiceClient, wishes: Wishes = {}): Promise<MintedToken> {
  const answer = await askForToken(service, wishes);
  if (answer.status !== 200) throw new Error(`The token was refused: ${answer.status} ${answer.text}`);
  return {
    token: answer.json<{ access_token: string }>().access_token,
    jti: String(answer.headers['x-gatehouse-token-jti']),
  };
}

export interface Asked {
  readonly serviceId?: string;
  readonly text?: string;
  readonly state?: string | undefined;
  readonly stream?: boolean;
  readonly url?: string | undefined;
  /** The field `forward` of `aisbreaker:network`. */
  readonly forward?: object | undefined;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const askedBody = ({
  serviceId = 'chat:openai.com/gpt-4o-mini',
  text = 'Hello',
  state,
  stream,
  url,
  forward,
}: Asked) => ({
  service: {
    serviceId,
    ...(url === undefined ? {} : { url }),
    ...(forward === undefined ? {} : { forward2ServiceProps: forward }),
  },
  request: {
    inputs: [{ text: { role: 'user', content: text } }],
    ...(state === undefined ? {} : { conversationState: state }),
    ...(stream === undefined ? {} : { stream }),
  },
});

/** @param token null: no token is sent */
export const processing = (service: ServiceClient, token: string | null, asked: Asked = {}): Promise<Answer> =>
  service.call('POST', asked.path ?? '/api/v1/process', {
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...asked.headers },
    body: askedBody(asked),
  });

export const textOf = (answer: Answer): string =>
  answer.json<{ outputs: { text: { content: string } }[] }>().outputs[0]?.text.content ?? '';

export interface SentEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export function eventsOf({ text }: Answer): SentEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, event = ''] = /^event: (.*)$/m.exec(block) ?? [];
      const [, data = '{}'] = /^data: (.*)$/m.exec(block) ?? [];
      return { event, data: JSON.parse(data) as Record<string, unknown> };
    });
}
