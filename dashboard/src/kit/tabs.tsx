import { Link } from '@tanstack/react-router';
import { clsx } from 'clsx';
import { useEffect, useRef } from 'react';

interface Tab {
  readonly to: string;
  readonly label: string;
}

/** The parts of an item, each at an address of its own. */
export function TabLinks({ label, tabs, current }: { label: string; tabs: readonly Tab[]; current: string }) {
  const nav = useRef<HTMLElement>(null);
  // On a phone the later parts begin beyond the edge.
  useEffect(() => {
    const show = (): void => {
      nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
    };
    show();
    // The page's font is wider than the one that stands in until it is there.
    void document.fonts.ready.then(show);
  }, [current]);
  return (
    <nav ref={nav} aria-label={label} className="mb-5 flex gap-1 overflow-x-auto border-b border-line">
      {tabs.map(({ to, label: text }) => (
        <Link
          key={to}
          to={to}
          activeOptions={{ exact: true }}
          aria-current={to === current ? 'page' : undefined}
          className={clsx(
            '-mb-px border-b-2 px-3 py-2 text-sm whitespace-nowrap -outline-offset-2',
            to === current
              ? 'border-accent font-medium text-ink'
              : 'border-transparent text-soft hover:border-strong hover:text-ink',
          )}
        >
          {text}
        </Link>
      ))}
    </nav>
  );
}
