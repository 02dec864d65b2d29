import { createContext, useContext, useEffect, useState, type ReactNode } from 'react';
import { Icon } from './icon.js';

const SHOWN_MS = 5000;

const Announce = createContext<(text: string) => void>(() => undefined);

/** Announces an event, on the screen and to screen readers. */
export const useAnnounce = (): ((text: string) => void) => useContext(Announce);

/** The live region is always in the page: screen readers often skip one that is added together with its text. */
export function Announcer({ children }: { children: ReactNode }) {
  const [text, setText] = useState('');
  useEffect(() => {
    if (text === '') return undefined;
    const timer = setTimeout(() => setText(''), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <Announce value={setText}>
      {children}
      <div
        role="status"
        aria-live="polite"
        className="pointer-events-none fixed inset-x-0 bottom-5 z-60 grid place-items-center px-4"
      >
        {text === '' ? null : (
          <div className="rise flex items-center gap-2.5 rounded-lg border border-line bg-raised px-4 py-2.5 shadow-lg">
            <Icon name="circle-check" className="text-good" />
            {text}
          </div>
        )}
      </div>
    </Announce>
  );
}
