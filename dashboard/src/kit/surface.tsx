import { clsx } from 'clsx';
import type { ReactNode } from 'react';
import type { IconName } from './icon-names.js';
import { Icon } from './icon.js';

export function Panel({ children, className, label }: { children: ReactNode; className?: string; label?: string }) {
  return (
    <section aria-label={label} className={clsx('rounded-xl border border-line bg-panel shadow-xs', className)}>
      {children}
    </section>
  );
}

interface PanelHeadProps {
  readonly title: string;
  readonly lead?: ReactNode;
  readonly actions?: ReactNode;
}

export function PanelHead({ title, lead, actions }: PanelHeadProps) {
  return (
    <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-2 px-5 pt-4 pb-3">
      <div className="min-w-0">
        <h2 className="font-semibold">{title}</h2>
        {lead ? <p className="mt-0.5 text-[13px] text-soft">{lead}</p> : null}
      </div>
      {actions ? <div className="flex flex-wrap gap-2">{actions}</div> : null}
    </div>
  );
}

interface PageHeadProps {
  readonly title: ReactNode;
  readonly lead?: string;
  readonly above?: ReactNode;
  readonly actions?: ReactNode;
}

export function PageHead({ title, lead, above, actions }: PageHeadProps) {
  return (
    <header className="mb-6 flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
      <div className="min-w-0 max-w-2xl">
        {above}
        <h1 className="text-[22px] leading-tight font-semibold tracking-tight text-balance break-words">{title}</h1>
        {lead ? <p className="mt-1.5 text-pretty text-soft">{lead}</p> : null}
      </div>
      {actions ? <div className="flex flex-wrap gap-2">{actions}</div> : null}
    </header>
  );
}

const TONES = {
  good: 'bg-good-wash text-good',
  bad: 'bg-bad-wash text-bad',
  warn: 'bg-warn-wash text-warn',
  plain: 'border border-line bg-sunken text-soft',
  accent: 'bg-accent-wash text-accent-text',
};
export type Tone = keyof typeof TONES;

export function Badge({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={clsx(
        'inline-flex h-5.5 max-w-full items-center gap-1 rounded-full px-2 text-xs font-medium whitespace-nowrap',
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}

export function Note({ tone = 'warn', icon, children }: { tone?: Tone; icon?: IconName; children: ReactNode }) {
  return (
    <div className={clsx('flex items-start gap-2.5 rounded-lg px-3.5 py-2.5', TONES[tone])}>
      <Icon name={icon ?? (tone === 'warn' || tone === 'bad' ? 'triangle-alert' : 'info')} className="mt-0.5" />
      <div className="min-w-0 flex-1">{children}</div>
    </div>
  );
}

interface EmptyProps {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
}

export function Empty({ icon, title, children, action }: EmptyProps) {
  return (
    <div className="grid justify-items-center gap-2 px-6 py-14 text-center">
      <span className="grid size-11 place-items-center rounded-xl bg-accent-wash text-accent-text">
        <Icon name={icon} size={20} />
      </span>
      <h2 className="mt-1 font-medium">{title}</h2>
      {children ? <div className="max-w-md text-pretty text-soft">{children}</div> : null}
      {action ? <div className="mt-2">{action}</div> : null}
    </div>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={clsx('rounded-md bg-line motion-safe:animate-pulse', className)} />;
}

/** The facts of one item: a list of names and values. */
export function Facts({ rows }: { rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[minmax(7rem,max-content)_minmax(0,1fr)] gap-x-5 gap-y-2.5">
      {rows.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-soft">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Mono({ children, className }: { children: ReactNode; className?: string }) {
  return <code className={clsx('font-mono text-[13px] break-all', className)}>{children}</code>;
}

/** A share of a whole, as a bar. The words beside it say the same. */
export function Meter({ share, tone = 'accent' }: { share: number; tone?: 'accent' | 'warn' | 'bad' }) {
  const color = { accent: 'var(--s1)', warn: 'var(--s3)', bad: 'var(--bad-solid)' }[tone];
  const width = `${Math.min(100, Math.max(0, share * 100))}%`;
  return (
    <div aria-hidden className="h-1.5 overflow-hidden rounded-full bg-line">
      <div className="h-full rounded-full" style={{ width, background: color }} />
    </div>
  );
}
