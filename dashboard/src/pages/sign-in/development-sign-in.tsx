import { useState } from 'react';
import { Button } from '../../kit/button.js';
import { Fault } from '../../kit/fault.js';
import { INPUT, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { developmentDoor } from '../../session/development-door.js';
import { session } from '../../session/session.js';

const OWNER = 'dev-owner';

/** One click signs in as the owner of the first org; a name signs in as any other user, to see what another role sees. */
export function DevelopmentSignIn() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const signIn = (user: string): void => {
    setBusy(true);
    setError(null);
    session
      .begin(developmentDoor(user))
      .catch(setError)
      .finally(() => setBusy(false));
  };
  return (
    <div className="grid gap-4">
      {error === null ? null : <Fault error={error} />}
      <Button look="primary" icon="arrow-right" busy={busy} onClick={() => signIn(OWNER)}>
        {m.signIn.developmentUser(OWNER)}
      </Button>
      <details>
        <summary className="text-[13px] text-soft hover:text-ink">{m.signIn.developmentOther}</summary>
        <form
          className="mt-3 grid gap-3"
          onSubmit={(event) => {
            event.preventDefault();
            signIn(textOf(new FormData(event.currentTarget), 'user'));
          }}
        >
          <label className="grid gap-1.5">
            <span className="font-medium">{m.signIn.developmentUserName}</span>
            <input
              name="user"
              required
              maxLength={128}
              autoComplete="username"
              placeholder="dev-viewer"
              className={INPUT}
            />
          </label>
          <Button type="submit" busy={busy}>
            {m.signIn.developmentSubmit}
          </Button>
        </form>
      </details>
    </div>
  );
}
