import { useEffect, useState } from 'react';
import { router } from '../../app/router.js';
import { Button } from '../../kit/button.js';
import { messageOf } from '../../kit/fault.js';
import { INPUT, textOf } from '../../kit/fields.js';
import { Note } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import type { FirebaseConfig } from '../../session/config.js';
import { firebaseCodeOf, FirebaseSignIn } from '../../session/firebase.js';
import { answerOfGoogle, askGoogle } from '../../session/google.js';
import { session } from '../../session/session.js';

let made: FirebaseSignIn | null = null;

/** The SDK allows one initialisation for each page. */
function firebaseOf(config: FirebaseConfig): FirebaseSignIn {
  made ??= new FirebaseSignIn(config);
  return made;
}

function saidOf(error: unknown): string {
  const code = firebaseCodeOf(error);
  if (code === null)
    return error instanceof Error && error.message === 'google' ? m.signIn.googleFailed : messageOf(error);
  return m.signIn.errors[code] ?? m.signIn.failed(code);
}

export default function FirebaseForm({ config }: { config: FirebaseConfig }) {
  const [registering, setRegistering] = useState(false);
  // It begins by checking for a sign-in that a redirect or a reload of the tab left.
  const [busy, setBusy] = useState(true);
  const [said, setSaid] = useState<{ readonly text: string; readonly bad: boolean } | null>(null);
  const firebase = firebaseOf(config);
  const run = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      setSaid({ text: saidOf(error), bad: true });
    } finally {
      setBusy(false);
    }
  };
  const byGoogle = async (idToken: string, returnTo: string): Promise<void> => {
    await session.begin(await firebase.byGoogle(idToken));
    router.history.replace(`/dashboard${returnTo}`);
  };
  const begin = (work: () => Promise<void>): void => {
    setBusy(true);
    setSaid(null);
    void run(work);
  };
  useEffect(() => {
    const look = async (): Promise<void> => {
      const answer = answerOfGoogle();
      if (answer !== null) {
        await byGoogle(answer.idToken, answer.returnTo);
        return;
      }
      const kept = await firebase.kept();
      if (kept !== null) await session.begin(kept);
    };
    look()
      .catch((error: unknown) => setSaid({ text: saidOf(error), bad: true }))
      .finally(() => setBusy(false));
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once, when the page comes: the SDK stays the same for its life
  }, []);
  const google = (): void =>
    begin(async () => {
      const path = location.pathname.replace(/^\/dashboard(?:\/google)?/, '') || '/';
      const here = `${path}${location.search}${location.hash}`;
      const idToken = await askGoogle(config, here);
      if (idToken !== null) await byGoogle(idToken, here);
    });
  const submit = (form: FormData): void =>
    begin(async () => {
      const [email, typed] = [textOf(form, 'email'), form.get('password')];
      const password = typeof typed === 'string' ? typed : '';
      await session.begin(
        await (registering ? firebase.register(email, password) : firebase.byPassword(email, password)),
      );
    });
  const reset = (form: HTMLFormElement | null): void => {
    const email = form === null ? '' : textOf(new FormData(form), 'email');
    if (email === '') setSaid({ text: m.signIn.resetNeedsEmail, bad: true });
    else
      begin(async () => {
        await firebase.resetPassword(email);
        setSaid({ text: m.signIn.resetSent, bad: false });
      });
  };
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        submit(new FormData(event.currentTarget));
      }}
    >
      {config.google === undefined ? null : (
        <>
          <Button busy={busy} onClick={google}>
            {m.signIn.google}
          </Button>
          <div className="flex items-center gap-3 text-xs text-faint">
            <hr className="flex-1 border-line" />
            {m.signIn.or}
            <hr className="flex-1 border-line" />
          </div>
        </>
      )}
      <label className="grid gap-1.5">
        <span className="font-medium">{m.signIn.email}</span>
        <input name="email" type="email" required autoComplete="email" className={INPUT} />
      </label>
      <label className="grid gap-1.5">
        <span className="font-medium">{m.signIn.password}</span>
        <input
          name="password"
          type="password"
          required
          autoComplete={registering ? 'new-password' : 'current-password'}
          className={INPUT}
        />
      </label>
      <div role="status">{said === null ? null : <Note tone={said.bad ? 'bad' : 'good'}>{said.text}</Note>}</div>
      <Button type="submit" look="primary" busy={busy}>
        {registering ? m.signIn.registerSubmit : m.signIn.submit}
      </Button>
      <div className="flex flex-wrap justify-between gap-2 text-[13px]">
        <button type="button" className="text-accent-text hover:underline" onClick={() => setRegistering(!registering)}>
          {registering ? m.signIn.haveAccount : m.signIn.register}
        </button>
        {registering ? null : (
          <button
            type="button"
            className="text-soft hover:underline"
            onClick={(event) => reset(event.currentTarget.form)}
          >
            {m.signIn.forgot}
          </button>
        )}
      </div>
    </form>
  );
}
