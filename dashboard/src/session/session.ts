import { useSyncExternalStore } from 'react';
import { SignInEndedError } from './sign-in-error.js';
import { lives, readToken, type SignedIn, type Token } from './token.js';

export type { SignedIn } from './token.js';

/** How the user signed in; it supplies further tokens. */
export interface SignInWay {
  /**
   * A token that is valid for a while; `fresh`: with the current claims.
   * @throws SignInEndedError the user has to sign in again
   */
  token(fresh: boolean): Promise<string>;
  /** Where the service keeps the user's tenant: asks for it; null: none. Absent: the token's claim names it. */
  tenant?(token: string): Promise<string | null>;
  /** Signs in again in a window beside this page. Absent: the page has to be left for that. */
  again?(): Promise<void>;
  /** Ends it in this tab alone. */
  forget(): Promise<void>;
  /** Ends it, also where the user signed in. */
  signOut(): Promise<void>;
}

export type SessionState =
  | { readonly kind: 'out'; readonly reason: 'none' | 'expired' }
  | { readonly kind: 'in'; readonly who: SignedIn }
  /** The tokens can't be renewed: requests wait until the user has signed in again. */
  | { readonly kind: 'ended'; readonly who: SignedIn }
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

const CHANNEL = 'gatehouse.session';

/**
 * Who is signed in. Only this object and the way of the sign-in hold tokens: not storage, the address or the page. A user is in
 * one tenant at a time. Tabs tell each other when it changes, and a tab that still shows the old tenant sends nothing more.
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
    const token = await tokenOf(way, false);
    this.way = way;
    this.current = token;
    this.become({ kind: 'in', who: token.who });
  }

  /** What a request from the tenant of this tab is sent with: the API refuses it if the user is in another one by then. */
  async headers(): Promise<Record<string, string>> {
    const { text, who } = await this.token();
    return {
      authorization: `Bearer ${text}`,
      ...(who.tenantId === null ? {} : { 'x-gatehouse-tenant': who.tenantId }),
    };
  }

  /** Called after this tab switched the tenant: takes the new one, and tells the other tabs. */
  async enter(): Promise<void> {
    const token = await this.fetch(true);
    this.current = token;
    this.become({ kind: 'in', who: token.who });
    this.tell({ kind: 'moved', userId: token.who.userId, tenantId: token.who.tenantId });
  }

  /** The token for going back, after the user has already moved to another tenant. */
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
    if (this.state.kind !== 'in') return;
    if (this.way?.again === undefined) this.end('expired');
    else this.become({ kind: 'ended', who: this.state.who });
  }

  /** Signs the user in again, and lets the requests go on that wait for it. */
  async again(): Promise<void> {
    await this.way?.again?.();
    const token = await this.fetch(true);
    const { state } = this;
    if (state.kind !== 'ended') return;
    this.current = token;
    const isSameUser = token.who.userId === state.who.userId;
    if (isSameUser && token.who.tenantId !== state.who.tenantId) {
      this.become({ kind: 'moved', who: state.who, to: token.who.tenantId });
    } else this.become({ kind: 'in', who: token.who });
  }

  /** The API said that the user is in another tenant than this tab shows. */
  async moved(): Promise<void> {
    const { who } = await this.fetch(true);
    if (this.state.kind === 'in' && who.tenantId !== this.state.who.tenantId) {
      this.become({ kind: 'moved', who: this.state.who, to: who.tenantId });
    }
  }

  private async token(): Promise<Token> {
    const asked = this.state;
    while (this.state.kind === 'ended') await this.change();
    if (this.state.kind === 'moved' || !isOf(this.state, asked)) throw new MovedError();
    if (this.current !== null && lives(this.current)) return this.current;
    try {
      return await this.renew();
    } catch (error) {
      if (!(error instanceof SignInEndedError)) throw error;
      this.expired();
      return this.token();
    }
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
    return tokenOf(this.way, fresh);
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.subscribe(() => {
        stop();
        resolve();
      });
    });
  }

  private hear(message: Message): void {
    const { state } = this;
    if (state.kind === 'out' || message.userId !== state.who.userId) return;
    if (message.kind === 'out') {
      void this.way?.forget();
      this.end('none');
      return;
    }
    // Without a valid token this tab can neither follow nor go back: the next sign-in compares the tenants.
    if (state.kind === 'ended') return;
    if (message.tenantId !== state.who.tenantId) this.become({ kind: 'moved', who: state.who, to: message.tenantId });
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

async function tokenOf(way: SignInWay, fresh: boolean): Promise<Token> {
  const token = readToken(await way.token(fresh));
  if (way.tenant === undefined) return token;
  return { ...token, who: { ...token.who, tenantId: await way.tenant(token.text) } };
}

/** Whether a request of one state may still go out in another: it is of the same user in the same tenant. */
function isOf(state: SessionState, asked: SessionState): boolean {
  if (state.kind === 'out' || asked.kind === 'out') return true;
  return state.who.userId === asked.who.userId && state.who.tenantId === asked.who.tenantId;
}
