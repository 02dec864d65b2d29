import { Field } from '@base-ui/react/field';
import { clsx } from 'clsx';
import type { ComponentProps, InputHTMLAttributes, ReactNode, SelectHTMLAttributes } from 'react';
import { Icon } from './icon.js';

export const INPUT =
  'h-9 w-full min-w-0 rounded-lg border border-strong bg-panel px-3 text-ink shadow-xs outline-offset-0 aria-invalid:border-bad data-invalid:border-bad';

interface LabelledProps {
  readonly name: string;
  readonly label: string;
  readonly hint?: ReactNode;
  readonly children: ReactNode;
}

/** A field with its label, its hint, and its error: the browser's own check, or the server's. */
function Labelled({ name, label, hint, children }: LabelledProps) {
  return (
    <Field.Root name={name} className="grid content-start gap-1.5">
      <Field.Label className="font-medium">{label}</Field.Label>
      {children}
      {hint ? <Field.Description className="text-xs text-pretty text-faint">{hint}</Field.Description> : null}
      <Field.Error className="text-xs font-medium text-bad" />
    </Field.Root>
  );
}

type TextFieldProps = Omit<LabelledProps, 'children'> & Omit<ComponentProps<typeof Field.Control>, 'name' | 'children'>;

export function TextField({ name, label, hint, className, ...control }: TextFieldProps) {
  return (
    <Labelled name={name} label={label} hint={hint}>
      <Field.Control autoComplete="off" className={clsx(INPUT, className)} {...control} />
    </Labelled>
  );
}

type SelectFieldProps = Omit<LabelledProps, 'children'> &
  Omit<SelectHTMLAttributes<HTMLSelectElement>, 'name'> & { readonly options: readonly (readonly [string, string])[] };

/** The browser's own list, so that a phone shows its native one. */
export function SelectField({ name, label, hint, options, ...select }: SelectFieldProps) {
  return (
    <Labelled name={name} label={label} hint={hint}>
      <Field.Control
        render={
          <select className={clsx(INPUT, 'pr-2')} {...select}>
            {optionsOf(options)}
          </select>
        }
      />
    </Labelled>
  );
}

const optionsOf = (options: readonly (readonly [string, string])[]) =>
  options.map(([value, text]) => (
    <option key={value} value={value}>
      {text}
    </option>
  ));

interface FilterSelectProps extends Omit<SelectHTMLAttributes<HTMLSelectElement>, 'onChange'> {
  readonly label: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChoose: (value: string) => void;
}

/** A choice in a bar of filters: only screen readers get its label. */
export function FilterSelect({ label, options, onChoose, className, ...select }: FilterSelectProps) {
  return (
    <select
      aria-label={label}
      className={clsx(INPUT, 'w-auto max-w-52 text-[13px]', className)}
      onChange={(event) => onChoose(event.target.value)}
      {...select}
    >
      {optionsOf(options)}
    </select>
  );
}

interface SearchFieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, 'onChange'> {
  readonly label: string;
  readonly onSearch: (text: string) => void;
}

export function SearchField({ label, onSearch, className, ...input }: SearchFieldProps) {
  return (
    <div className={clsx('relative w-full max-w-80', className)}>
      <Icon name="search" className="pointer-events-none absolute top-1/2 left-3 -translate-y-1/2 text-faint" />
      <input
        type="search"
        aria-label={label}
        placeholder={label}
        className={clsx(INPUT, 'pl-9')}
        onChange={(event) => onSearch(event.target.value)}
        {...input}
      />
    </div>
  );
}

interface CheckProps extends Omit<InputHTMLAttributes<HTMLInputElement>, 'type' | 'onChange'> {
  readonly label: ReactNode;
  readonly hint?: string;
  readonly onCheck?: (checked: boolean) => void;
}

export function Check({ label, hint, onCheck, ...input }: CheckProps) {
  return (
    <label className="flex items-start gap-2.5">
      <input
        type="checkbox"
        className="mt-0.5 size-4 shrink-0 accent-accent"
        onChange={(event) => onCheck?.(event.target.checked)}
        {...input}
      />
      <span>
        {label}
        {hint ? <span className="block text-xs text-faint">{hint}</span> : null}
      </span>
    </label>
  );
}

interface SegmentedProps<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly options: readonly (readonly [V, string])[];
  readonly onChoose: (value: V) => void;
}

/** A choice of a few values side by side: radio buttons in another style. */
export function Segmented<V extends string>({ label, value, options, onChoose }: SegmentedProps<V>) {
  return (
    <fieldset className="inline-flex max-w-full overflow-x-auto rounded-lg border border-line bg-sunken p-0.5">
      <legend className="sr-only">{label}</legend>
      {options.map(([option, text]) => (
        <label
          key={option}
          className="relative rounded-md px-3 py-1 text-[13px] whitespace-nowrap text-soft has-checked:bg-chosen has-checked:font-medium has-checked:text-ink has-checked:shadow-xs has-focus-visible:outline-2 has-focus-visible:outline-accent-text"
        >
          <input
            type="radio"
            name={label}
            value={option}
            checked={option === value}
            onChange={() => onChoose(option)}
            className="sr-only"
          />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

interface MoreProps {
  readonly label: string;
  /** The server objects to a field in here, which must be seen. */
  readonly wrong: boolean;
  readonly children: ReactNode;
}

/** Fields that few people need, folded away. */
export function More({ label, wrong, children }: MoreProps) {
  return (
    <details {...(wrong ? { open: true } : {})}>
      <summary className="w-fit text-[13px] text-soft hover:text-ink">{label}</summary>
      <div className="mt-3 grid grid-cols-[minmax(0,1fr)] gap-4">{children}</div>
    </details>
  );
}

/** The text of a field of a submitted form; an unfilled field is empty. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
}

/** What was written with commas in between. */
export function listOf(text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  return items.filter((item) => item !== '');
}
