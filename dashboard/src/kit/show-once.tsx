import { useBlocker } from '@tanstack/react-router';
import { useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { m } from '../messages/index.js';
import { Button } from './button.js';
import { CopyButton } from './copy.js';
import { ModalBody, ModalFoot } from './dialog.js';
import { Note } from './surface.js';

/** A dialog with a secret that is shown only this once. */
export function useShowOnce(onClose: () => void) {
  const [secret, setSecret] = useState<string | null>(null);
  const [copied, setCopied] = useState(false);
  const [asking, setAsking] = useState(false);
  const holds = secret !== null;
  // Neither the back button nor a reload discards the secret without a question.
  useBlocker({
    shouldBlockFn: () => {
      setAsking(true);
      return true;
    },
    enableBeforeUnload: holds,
    disabled: !holds,
  });
  const leave = (): void => {
    setSecret(null);
    setCopied(false);
    setAsking(false);
    onClose();
  };
  return {
    secret,
    asking,
    show: setSecret,
    onCopied: () => setCopied(true),
    /** Escape, the cross and the button close only what was copied or what the user chooses to discard. */
    close: () => (holds && !copied && !asking ? setAsking(true) : leave()),
    leave,
  };
}
type ShowOnce = ReturnType<typeof useShowOnce>;

interface SecretProps {
  readonly once: ShowOnce;
  readonly label: string;
  readonly children?: ReactNode;
}

export function ShownSecret({ once, label, children }: SecretProps) {
  const first = useRef<HTMLDivElement>(null);
  const text = useRef<HTMLElement>(null);
  // The form's button, which had the focus, is gone: without this the focus would move to the page behind.
  useLayoutEffect(() => first.current?.focus(), []);
  return (
    <>
      <ModalBody>
        <div
          ref={first}
          tabIndex={-1}
          role="group"
          aria-label={label}
          className="flex items-center gap-2 rounded-lg border border-strong bg-sunken p-1.5 pl-3.5"
        >
          <code ref={text} data-testid="secret" className="min-w-0 flex-1 font-mono text-[13px] break-all select-all">
            {once.secret}
          </code>
          <CopyButton text={once.secret ?? ''} fallback={() => text.current} onCopied={once.onCopied} />
        </div>
        {children}
        {once.asking ? (
          <div role="alert">
            <Note>
              <div className="flex flex-wrap items-center justify-between gap-2">
                {m.once.gone}
                <Button size="small" onClick={once.leave}>
                  {m.once.closeAnyway}
                </Button>
              </div>
            </Note>
          </div>
        ) : null}
      </ModalBody>
      <ModalFoot>
        <Button look="primary" onClick={once.close}>
          {m.once.stored}
        </Button>
      </ModalFoot>
    </>
  );
}

/** The answer to the first try was lost: the resource exists, but its secret can't be shown again. */
export function LostSecret({ hint, onClose }: { hint: string; onClose: () => void }) {
  return (
    <>
      <ModalBody>
        <Note>{hint}</Note>
      </ModalBody>
      <ModalFoot>
        <Button look="primary" onClick={onClose}>
          {m.kit.close}
        </Button>
      </ModalFoot>
    </>
  );
}
