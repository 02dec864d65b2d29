import { clsx } from 'clsx';
import type { ButtonHTMLAttributes, MouseEvent } from 'react';
import type { IconName } from './icon-names.js';
import { Icon } from './icon.js';

const LOOKS = {
  primary: 'bg-accent text-accent-ink shadow-xs hover:brightness-110',
  outline: 'border border-strong bg-panel text-ink shadow-xs hover:bg-sunken',
  ghost: 'text-soft hover:bg-sunken hover:text-ink',
  outlineDanger: 'border border-strong bg-panel text-bad shadow-xs hover:bg-bad-wash',
  danger: 'bg-bad-solid text-white shadow-xs hover:brightness-110',
};
const SIZES = { small: 'h-8 px-2.5 text-[13px]', normal: 'h-9 px-3.5 text-sm' };

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: keyof typeof LOOKS;
  readonly size?: keyof typeof SIZES;
  readonly icon?: IconName;
  /** An action is running: the button says so and ignores further clicks. */
  readonly busy?: boolean;
}

export const buttonClass = (look: keyof typeof LOOKS = 'outline', size: keyof typeof SIZES = 'normal'): string =>
  clsx(
    'inline-flex items-center justify-center gap-2 rounded-lg font-medium whitespace-nowrap transition disabled:cursor-default disabled:opacity-55 aria-disabled:cursor-default aria-disabled:opacity-55',
    SIZES[size],
    LOOKS[look],
  );

/** Neither acts nor submits the form. */
const ignore = (event: MouseEvent): void => event.preventDefault();

export function Button({ look, size, icon, busy = false, className, children, type, onClick, ...rest }: ButtonProps) {
  return (
    <button
      type={type ?? 'button'}
      // A disabled button would lose the focus.
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      className={clsx(buttonClass(look, size), className)}
      onClick={busy ? ignore : onClick}
      {...rest}
    >
      {icon ? <Icon name={icon} /> : null}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly icon: IconName;
  readonly label: string;
}

export function IconButton({ icon, label, className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={clsx(
        'grid size-8 shrink-0 place-items-center rounded-md text-faint hover:bg-sunken hover:text-ink',
        className,
      )}
      {...rest}
    >
      <Icon name={icon} />
    </button>
  );
}
