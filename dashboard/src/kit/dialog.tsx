import { AlertDialog } from '@base-ui/react/alert-dialog';
import { Dialog } from '@base-ui/react/dialog';
import { clsx } from 'clsx';
import { useRef, type ReactNode } from 'react';
import { m } from '../messages/index.js';
import { Button, IconButton } from './button.js';
import { Fault } from './fault.js';

const BACKDROP =
  'fixed inset-0 z-40 bg-black/45 transition-opacity duration-150 data-ending-style:opacity-0 data-starting-style:opacity-0';
/** On a phone the dialog slides in from below. */
const POPUP =
  'fixed inset-x-0 bottom-0 z-50 flex max-h-[92dvh] flex-col overflow-hidden rounded-t-2xl border border-line bg-raised shadow-2xl transition duration-150 data-ending-style:opacity-0 data-starting-style:translate-y-3 data-starting-style:opacity-0 sm:inset-x-auto sm:top-[9dvh] sm:bottom-auto sm:left-1/2 sm:max-h-[82dvh] sm:-translate-x-1/2 sm:rounded-2xl';
const WIDTHS = { normal: 'sm:w-[34rem]', wide: 'sm:w-[46rem]' };

interface ModalProps {
  readonly open: boolean;
  readonly title: string;
  readonly lead?: ReactNode;
  readonly children: ReactNode;
  readonly wide?: boolean;
  /** Neither Escape nor a click beside the dialog closes it. The content gets both events and decides what to do. */
  readonly locked?: boolean;
  readonly onClose: () => void;
  /** Called after the dialog has closed: its content can then be thrown away without a flicker. */
  readonly onGone?: () => void;
}

export function Modal({ open, title, lead, children, wide = false, locked = false, onClose, onGone }: ModalProps) {
  const popup = useRef<HTMLDivElement>(null);
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose();
      }}
      onOpenChangeComplete={(now) => {
        if (!now) onGone?.();
      }}
      disablePointerDismissal={locked}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className={BACKDROP} />
        <Dialog.Popup
          ref={popup}
          className={clsx(POPUP, WIDTHS[wide ? 'wide' : 'normal'])}
          initialFocus={() => popup.current?.querySelector<HTMLElement>('input,select,textarea') ?? true}
        >
          <div className="flex items-start gap-4 px-6 pt-5 pb-4">
            <div className="min-w-0 flex-1">
              <Dialog.Title className="text-base font-semibold break-words">{title}</Dialog.Title>
              {lead ? <Dialog.Description className="mt-1 text-pretty text-soft">{lead}</Dialog.Description> : null}
            </div>
            <IconButton icon="x" label={m.kit.close} onClick={onClose} className="-mt-1 -mr-2" />
          </div>
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

export function ModalBody({ children }: { children: ReactNode }) {
  return <div className="grid min-h-0 grid-cols-[minmax(0,1fr)] gap-4 overflow-y-auto px-6 pb-5">{children}</div>;
}

export function ModalFoot({ children }: { children: ReactNode }) {
  return <div className="flex flex-wrap justify-end gap-2 border-t border-line bg-raised px-6 py-4">{children}</div>;
}

/** The form of a dialog: the content scrolls, the buttons stay. */
export const MODAL_FORM = 'flex min-h-0 flex-col';

interface ConfirmProps {
  readonly open: boolean;
  readonly title: string;
  readonly action: string;
  readonly busy: boolean;
  readonly error?: unknown;
  readonly children: ReactNode;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Asks for confirmation of what can't be undone. */
export function Confirm({ open, title, action, busy, error, children, onConfirm, onClose }: ConfirmProps) {
  return (
    <AlertDialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose();
      }}
    >
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={BACKDROP} />
        <AlertDialog.Popup className={clsx(POPUP, WIDTHS.normal)}>
          <div className="grid gap-3 overflow-y-auto px-6 pt-5 pb-5">
            <AlertDialog.Title className="text-base font-semibold break-words">{title}</AlertDialog.Title>
            <AlertDialog.Description render={<div />} className="grid gap-3 text-pretty text-soft">
              {children}
            </AlertDialog.Description>
            {error === undefined || error === null ? null : <Fault error={error} />}
          </div>
          <ModalFoot>
            <Button onClick={onClose}>{m.kit.cancel}</Button>
            <Button look="danger" busy={busy} onClick={onConfirm}>
              {action}
            </Button>
          </ModalFoot>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

interface DrawerProps {
  readonly open: boolean;
  readonly title: string;
  readonly children: ReactNode;
  readonly onClose: () => void;
}

/** One item of a list, beside the list. */
export function Drawer({ open, title, children, onClose }: DrawerProps) {
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose();
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className={BACKDROP} />
        <Dialog.Popup className="fixed inset-y-0 right-0 z-50 flex w-full max-w-xl flex-col border-l border-line bg-raised shadow-2xl transition duration-150 data-ending-style:translate-x-6 data-ending-style:opacity-0 data-starting-style:translate-x-6 data-starting-style:opacity-0">
          <div className="flex items-center gap-3 border-b border-line px-5 py-3.5">
            <Dialog.Title className="min-w-0 flex-1 truncate text-base font-semibold">{title}</Dialog.Title>
            <IconButton icon="x" label={m.kit.close} onClick={onClose} />
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto p-5">{children}</div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
