import { QueryClientProvider, useQuery } from '@tanstack/react-query';
import { useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import { answerOf, api } from '../api/client.js';
import { MeContext } from '../api/may.js';
import { newQueryClient } from '../api/queries.js';
import { Announcer } from '../kit/announcer.js';
import { Fault } from '../kit/fault.js';
import { m } from '../messages/index.js';
import { useSession, type SignedIn } from '../session/session.js';
import { Mark } from './mark.js';

const SignIn = lazy(() => import('../pages/sign-in/sign-in.js'));
const Shell = lazy(() => import('./shell.js').then(({ Shell: component }) => ({ default: component })));
const Moved = lazy(() => import('./moved.js'));
const Ended = lazy(() => import('./ended.js'));
const Account = lazy(() => import('../pages/account/account.js'));
const AcceptInvitation = lazy(() => import('../pages/account/accept-invitation.js'));

/** Shows the pages only after the sign-in, and only those of the tenant that the user is in. */
export function Gate() {
  const state = useSession();
  return (
    // Outside the tenants' trees: the message about a move to another tenant appears after the old tree is gone.
    <Announcer>
      <Suspense fallback={<Waiting />}>
        {state.kind === 'out' ? (
          <SignIn expired={state.reason === 'expired'} />
        ) : (
          // Another tenant is another tree with a cache of its own: nothing of the old tenant stays on the screen.
          <Stay key={`${state.who.userId} ${state.who.tenantId}`} who={state.who} />
        )}
      </Suspense>
      {/* Loads by itself: what is under it stays. */}
      <Suspense>
        {state.kind === 'ended' ? <Ended /> : null}
        {state.kind === 'moved' ? <Moved who={state.who} to={state.to} /> : null}
      </Suspense>
    </Announcer>
  );
}

function Stay({ who }: { who: SignedIn }) {
  const [client] = useState(newQueryClient);
  useEffect(() => () => client.clear(), [client]);
  return (
    <QueryClientProvider client={client}>
      <Known who={who} />
    </QueryClientProvider>
  );
}

function Known({ who }: { who: SignedIn }) {
  const accepting = useRouterState({ select: ({ location }) => location.pathname === '/accept-invitation' });
  const me = useQuery({
    queryKey: ['me'],
    queryFn: ({ signal }) => answerOf(api.POST('/api/v1/me/get', { body: {}, signal })),
  });
  if (me.data === undefined) {
    if (me.error === null) return <Waiting />;
    return (
      <main className="mx-auto max-w-xl px-4 py-24">
        <h1 className="sr-only">{m.name}</h1>
        <Fault error={me.error} retry={() => void me.refetch()} />
      </main>
    );
  }
  if (accepting) return <AcceptInvitation me={me.data} />;
  // The token is for no tenant, or for a tenant that the user does not belong to: there is no tenant to show.
  if (who.tenantId === null || me.data.tenantId === undefined) return <Account me={me.data} />;
  return (
    <MeContext value={me.data}>
      <Shell />
    </MeContext>
  );
}

function Waiting() {
  return (
    <main className="grid min-h-dvh place-items-center">
      <div role="status" className="motion-safe:animate-pulse">
        <Mark size={40} />
        <span className="sr-only">{m.states.loading}</span>
      </div>
    </main>
  );
}
