import { useSyncExternalStore } from 'react';

/** How the user signed in; it supplies further tokens. */
export interface SignInWay {
  /** A token that is valid for a while; `fresh`: a new one with the current claims. */
  token(fresh: boolean): Promise<string>;
  signOut(): Promise<void>;
}

export interface SignedIn {
  readonly userId: string;
  readonly email: string | null;
  /** Null: the token names no tenant. */
  readonly tenantId: string | null;
}

export type SessionState =
  | { readonly kind: 'out'; readonly reason: 'none' | 'expired' }
  | { readonly kind: 'in'; readonly who: SignedIn }
  /** Another tab or machine switched the tenant: this tab shows a tenant that the user has left. */
  | { readonly kind: 'moved'; readonly who: SignedIn; readonly to: string | null };

/** The user moved to another tenant: a page that still shows the old one must send nothing. */
export class MovedError extends Error {
  constructor() {
    super('moved');
    this.name = 'MovedError';
  }
}

type Message =
  | { readonly kind: 'moved'; readonly userId: string; readonly tenantId: string | null }
  | { readonly kind: 'out'; readonly userId: string };

const LEAST_LIFE_MS = 60_000;
const CHANNEL = 'gatehouse.session';

interface Token {
  readonly text: string;
  readonly who: SignedIn;
  readonly expiresAtMs: number;
}

/**
 * Who is signed in. Only this object holds tokens: not storage, the address or the page. The tenant is the one in the token's
 * claim, of which a user has one. Tabs tell each other when it changes, and a tab that still shows the old tenant sends nothing
 * more.
 */
class Session {
  private state: SessionState = { kind: 'out', reason: 'none' };
  private way: SignInWay | null = null;
  private current: Token | null = null;
  private renewing: Promise<Token> | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly channel = new BroadcastChannel(CHANNEL);

  constructor() {
    this.channel.addEventListener('message', ({ data }: MessageEvent<Message>) => this.hear(data));
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly snapshot = (): SessionState => this.state;

  async begin(way: SignInWay): Promise<void> {
    const token = read(await way.token(false));
    this.way = way;
    this.current = token;
    this.become({ kind: 'in', who: token.who });
  }

  /** A token of the tenant that this tab shows. */
  async token(): Promise<string> {
    if (this.state.kind === 'moved') throw new MovedError();
    if (this.current !== null && this.current.expiresAtMs - Date.now() > LEAST_LIFE_MS) return this.current.text;
    return (await this.renew()).text;
  }

  /** Called after this tab changed the claim: takes the new one, and tells the other tabs. */
  async enter(): Promise<void> {
    const token = await this.fetch(true);
    this.current = token;
    this.become({ kind: 'in', who: token.who });
    this.tell({ kind: 'moved', userId: token.who.userId, tenantId: token.who.tenantId });
  }

  /** The token for going back, after the claim has already changed to another tenant. */
  lastToken(): string {
    return this.current?.text ?? '';
  }

  async leave(): Promise<void> {
    const { way, state } = this;
    if (state.kind !== 'out') this.tell({ kind: 'out', userId: state.who.userId });
    this.end('none');
    await way?.signOut();
  }

  /** The API no longer accepts the token. */
  expired(): void {
    if (this.state.kind === 'in') this.end('expired');
  }

  private renew(): Promise<Token> {
    this.renewing ??= this.fetch(false)
      .then((token) => {
        if (this.state.kind === 'in' && token.who.tenantId !== this.state.who.tenantId) {
          this.become({ kind: 'moved', who: this.state.who, to: token.who.tenantId });
          throw new MovedError();
        }
        this.current = token;
        return token;
      })
      .finally(() => {
        this.renewing = null;
      });
    return this.renewing;
  }

  private async fetch(fresh: boolean): Promise<Token> {
    if (this.way === null) throw new TypeError('No user is signed in.');
    return read(await this.way.token(fresh));
  }

  private hear(message: Message): void {
    const { state } = this;
    if (state.kind === 'out' || message.userId !== state.who.userId) return;
    if (message.kind === 'out') this.end('none');
    else if (message.tenantId !== state.who.tenantId)
      this.become({ kind: 'moved', who: state.who, to: message.tenantId });
    else if (state.kind === 'moved') this.become({ kind: 'in', who: state.who });
  }

  private tell(message: Message): void {
    this.channel.postMessage(message);
  }

  private end(reason: 'none' | 'expired'): void {
    this.way = null;
    this.current = null;
    this.become({ kind: 'out', reason });
  }

  private become(state: SessionState): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

export const session = new Session();

export function useSession(): SessionState {
  return useSyncExternalStore(session.subscribe, session.snapshot);
}

/** The claims are only shown, never trusted: the API verifies the token. */
function read(text: string): Token {
  const [, payload = ''] = text.split('.');
  const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0));
  const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const textOf = (claim: unknown): string | null => (typeof claim === 'string' && claim !== '' ? claim : null);
  return {
    text,
    who: { userId: String(claims['sub']), email: textOf(claims['email']), tenantId: textOf(claims['tenant_id']) },
    expiresAtMs: Number(claims['exp']) * 1000,
  };
}
