import { Link } from '@tanstack/react-router';
import { clsx } from 'clsx';

interface Tab {
  readonly to: string;
  readonly label: string;
}

/** The parts of an item, each at an address of its own. */
export function TabLinks({ label, tabs, current }: { label: string; tabs: readonly Tab[]; current: string }) {
  return (
    <nav aria-label={label} className="mb-5 flex gap-1 overflow-x-auto border-b border-line">
      {tabs.map(({ to, label: text }) => (
        <Link
          key={to}
          to={to}
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
