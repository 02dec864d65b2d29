import { AlertDialog } from '@base-ui/react/alert-dialog';
import { useState } from 'react';
import { Button } from '../kit/button.js';
import { Fault } from '../kit/fault.js';
import { m } from '../messages/index.js';
import { session, type SignedIn } from '../session/session.js';
import { switchTenant } from './switch-tenant.js';

/** A user has one tenant at a time: this tab still shows another one, and must not send anything from it. */
export default function Moved({ who, to }: { who: SignedIn; to: string | null }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = (work: () => Promise<void>): void => {
    setBusy(true);
    setError(null);
    work()
      .catch(setError)
      .finally(() => setBusy(false));
  };
  return (
    <AlertDialog.Root open>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fixed inset-0 z-60 bg-canvas/95" />
        <AlertDialog.Popup className="fixed inset-x-4 top-[20dvh] z-60 mx-auto grid max-w-md gap-4 rounded-2xl border border-line bg-raised p-6 shadow-2xl">
          <AlertDialog.Title className="text-base font-semibold">{m.moved.title}</AlertDialog.Title>
          <AlertDialog.Description className="text-pretty text-soft">
            {m.moved.lead(to ?? m.moved.none, who.tenantId ?? m.moved.none)}
          </AlertDialog.Description>
          {error === null ? null : <Fault error={error} />}
          <div className="flex flex-wrap justify-end gap-2">
            {who.tenantId === null ? null : (
              <Button busy={busy} onClick={() => run(() => switchTenant(who.tenantId ?? ''))}>
                {m.moved.back}
              </Button>
            )}
            <Button look="primary" busy={busy} onClick={() => run(() => session.enter())}>
              {m.moved.follow}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
