import { AlertDialog } from '@base-ui/react/alert-dialog';
import { useState } from 'react';
import { Button } from '../kit/button.js';
import { Fault } from '../kit/fault.js';
import { m } from '../messages/index.js';
import { session } from '../session/session.js';

/** The tokens can't be renewed. The user signs in again in a window beside this page, so that what is typed in it stays. */
export default function Ended() {
  const [error, setError] = useState<unknown>(null);
  const again = (): void => {
    setError(null);
    session.again().catch(setError);
  };
  return (
    <AlertDialog.Root open>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fixed inset-0 z-60 bg-canvas/80" />
        <AlertDialog.Popup className="fixed inset-x-4 top-[20dvh] z-60 mx-auto grid max-w-md gap-4 rounded-2xl border border-line bg-raised p-6 shadow-2xl">
          <AlertDialog.Title className="text-base font-semibold">{m.ended.title}</AlertDialog.Title>
          <AlertDialog.Description className="text-pretty text-soft">{m.ended.lead}</AlertDialog.Description>
          {error === null ? null : <Fault error={error} />}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onClick={() => void session.leave()}>{m.shell.signOut}</Button>
            {/* It stays usable while the other window is open: that window may have been closed. */}
            <Button look="primary" onClick={again}>
              {m.ended.again}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
