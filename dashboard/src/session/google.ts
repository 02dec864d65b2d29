import type { FirebaseConfig } from './config.js';

const AUTHORIZE = 'https://accounts.google.com/o/oauth2/v2/auth';
const WAITING = 'gatehouse.google';
const CHANNEL = 'gatehouse.google';
const RETURN_PATH = '/dashboard/google';

interface Waiting {
  readonly state: string;
  readonly nonce: string;
  readonly returnTo: string;
  readonly mode: 'redirect' | 'popup';
}

/**
 * Google's sign-in by its own OpenID Connect page, whose ID token Firebase then takes. Firebase's own helper would load
 * scripts and frames of other hosts into this page.
 */
export function askGoogle({ google }: FirebaseConfig, returnTo: string): Promise<string> | null {
  if (google === undefined) throw new TypeError('Google is not set up.');
  const waiting: Waiting = { state: crypto.randomUUID(), nonce: crypto.randomUUID(), returnTo, mode: google.mode };
  const address = new URL(AUTHORIZE);
  address.search = new URLSearchParams({
    client_id: google.clientId,
    redirect_uri: `${location.origin}${RETURN_PATH}`,
    response_type: 'id_token',
    scope: 'openid email profile',
    prompt: 'select_account',
    state: waiting.state,
    nonce: waiting.nonce,
  }).toString();
  if (google.mode === 'popup') return askBeside(address.href, waiting);
  sessionStorage.setItem(WAITING, JSON.stringify(waiting));
  location.assign(address.href);
  return null;
}

/** The ID token of Google's answer to this page, and where to go next; null: this page has no such answer. */
export function answerOfGoogle(): { readonly idToken: string; readonly returnTo: string } | null {
  if (location.pathname !== RETURN_PATH) return null;
  const answer = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, '', RETURN_PATH);
  const kept = sessionStorage.getItem(WAITING);
  sessionStorage.removeItem(WAITING);
  if (kept === null) {
    // This is the popup window: the window that opened it is waiting.
    new BroadcastChannel(CHANNEL).postMessage(Object.fromEntries(answer));
    window.close();
    return null;
  }
  const waiting = JSON.parse(kept) as Waiting;
  return { idToken: checked(answer, waiting), returnTo: waiting.returnTo };
}

async function askBeside(address: string, waiting: Waiting): Promise<string> {
  const channel = new BroadcastChannel(CHANNEL);
  const answering = new Promise<Record<string, string>>((resolve) => {
    channel.addEventListener('message', ({ data }: MessageEvent<Record<string, string>>) => {
      if (data['state'] === waiting.state) resolve(data);
    });
  });
  window.open(address, '_blank', 'popup,width=480,height=640');
  const answer = await answering;
  channel.close();
  return checked(new URLSearchParams(answer), waiting);
}

/**
 * An answer that this page did not ask for is refused: an attacker could otherwise sign the user in to the attacker's account.
 */
function checked(answer: URLSearchParams, { state, nonce }: Waiting): string {
  const idToken = answer.get('id_token') ?? '';
  const [, payload = ''] = idToken.split('.');
  if (answer.get('state') !== state || payload === '') throw new Error(answer.get('error') ?? 'google');
  const claims = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { nonce?: unknown };
  if (claims.nonce !== nonce) throw new Error('google');
  return idToken;
}
