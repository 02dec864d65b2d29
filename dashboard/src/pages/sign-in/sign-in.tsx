import { lazy, Suspense, useEffect, useState } from 'react';
import { Mark } from '../../app/mark.js';
import { Fault } from '../../kit/fault.js';
import { Note, Panel, Skeleton } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { loadConfig, type DashboardConfig } from '../../session/config.js';
import { DevelopmentSignIn } from './development-sign-in.js';

// The SDK is as large as the rest of this page, so it loads only where it is used; so does the library of the other one.
const FirebaseForm = lazy(() => import('./firebase-form.js'));
const OidcForm = lazy(() => import('./oidc-form.js'));

export default function SignIn({ expired }: { expired: boolean }) {
  const [config, setConfig] = useState<DashboardConfig | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    document.title = m.signIn.title;
    loadConfig().then(setConfig, setError);
  }, []);
  return (
    <main className="grid min-h-dvh place-items-center bg-[radial-gradient(60rem_30rem_at_50%_-12rem,var(--accent-wash),transparent)] px-4 py-10">
      <div className="w-full max-w-sm">
        <div className="mb-5 grid justify-items-center">
          <Mark size={44} />
        </div>
        <h1 className="text-center text-xl font-semibold tracking-tight">{m.signIn.title}</h1>
        <p className="mt-1 mb-6 text-center text-soft">{m.signIn.lead}</p>
        <Panel className="grid gap-5 p-6">
          {expired ? <Note>{m.signIn.expired}</Note> : null}
          {/* A new page also gets the policy that names the issuer's addresses. */}
          {error === null ? null : <Fault error={error} retry={() => location.reload()} />}
          {config === null ? error === null ? <Skeleton className="h-24" /> : null : <Ways config={config} />}
        </Panel>
        {config?.development ? (
          <p className="mt-4 text-center text-xs text-pretty text-faint">{m.signIn.development}</p>
        ) : null}
      </div>
    </main>
  );
}

function Ways({ config }: { config: DashboardConfig }) {
  const { development, firebase, oidc } = config;
  if (!development && firebase === undefined && oidc === undefined)
    return <p className="text-soft">{m.signIn.notSetUp}</p>;
  return (
    <>
      {firebase === undefined ? null : (
        <Suspense fallback={<Skeleton className="h-48" />}>
          <FirebaseForm config={firebase} />
        </Suspense>
      )}
      {oidc === undefined ? null : (
        <Suspense fallback={<Skeleton className="h-10" />}>
          <OidcForm config={oidc} />
        </Suspense>
      )}
      {development && firebase !== undefined ? <hr className="border-line" /> : null}
      {development ? <DevelopmentSignIn /> : null}
    </>
  );
}
