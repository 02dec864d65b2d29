import { useEffect, useState } from 'react';
import { router } from '../../app/router.js';
import { Button } from '../../kit/button.js';
import { Fault } from '../../kit/fault.js';
import { m } from '../../messages/index.js';
import type { OidcConfig } from '../../session/config.js';
import { OidcSignIn } from '../../session/oidc.js';
import { session } from '../../session/session.js';

/** One button, which leads to the issuer's page. It also takes the issuer's answer, and a sign-in that the tab kept. */
export default function OidcForm({ config }: { config: OidcConfig }) {
  const [oidc] = useState(() => new OidcSignIn(config));
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const look = async (): Promise<void> => {
      const answer = oidc.answer();
      if (answer !== null) {
        // Before the answer is judged: after a refusal, too, the next try leads to the requested page.
        router.history.replace(`/dashboard${answer.returnTo}`);
        await session.begin(await answer.way);
        return;
      }
      const kept = oidc.kept();
      if (kept !== null) await session.begin(kept);
    };
    look()
      .catch(setError)
      .finally(() => setBusy(false));
  }, [oidc]);
  const leave = (): void => {
    setBusy(true);
    setError(null);
    const path = location.pathname.replace(/^\/dashboard/, '') || '/';
    oidc.leave(`${path}${location.search}${location.hash}`).catch((failed: unknown) => {
      setError(failed);
      setBusy(false);
    });
  };
  return (
    <div className="grid gap-4">
      {error === null ? null : <Fault error={error} />}
      <Button look="primary" icon="arrow-right" busy={busy} onClick={leave}>
        {m.signIn.byIssuer(new URL(config.issuer).host)}
      </Button>
    </div>
  );
}
