import { Dialog } from '@base-ui/react/dialog';
import { useNavigate } from '@tanstack/react-router';
import { clsx } from 'clsx';
import { useEffect, useId, useState, type KeyboardEvent } from 'react';
import { useMay, useMe } from '../api/may.js';
import type { IconName } from '../kit/icon-names.js';
import { Icon } from '../kit/icon.js';
import { m } from '../messages/index.js';
import { session } from '../session/session.js';
import { NAVIGATION } from './navigation.js';
import { switchTenant } from './switch-tenant.js';
import { useTheme } from './theme.js';

interface Command {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly icon: IconName;
  readonly run: () => void;
}

/** Opens at Ctrl+K or ⌘K, from anywhere. */
export function usePaletteKey(open: () => void): void {
  useEffect(() => {
    const listen = (event: globalThis.KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      open();
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, [open]);
}

export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose();
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/45" />
        <Dialog.Popup className="rise fixed inset-x-3 top-[12dvh] z-50 mx-auto max-w-xl overflow-hidden rounded-xl border border-line bg-raised shadow-2xl">
          <Dialog.Title className="sr-only">{m.shell.palette}</Dialog.Title>
          <Commands onClose={onClose} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Commands({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useId();
  const found = useCommands().filter(({ label, hint }) => matches(`${label} ${hint}`, text));
  const chosen = Math.min(at, Math.max(0, found.length - 1));
  const run = (command: Command | undefined): void => {
    if (command === undefined) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setAt((chosen + step + found.length) % Math.max(1, found.length));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      run(found[chosen]);
    }
  };
  return (
    <>
      <div className="flex items-center gap-3 border-b border-line px-4">
        <Icon name="search" className="text-faint" />
        <input
          role="combobox"
          aria-label={m.shell.palette}
          aria-expanded
          aria-controls={list}
          aria-activedescendant={found.length > 0 ? `${list}-${chosen}` : undefined}
          placeholder={m.shell.paletteHint}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
          className="h-12 w-full bg-transparent outline-none"
        />
      </div>
      <ul id={list} role="listbox" aria-label={m.shell.palette} className="max-h-[50dvh] overflow-y-auto p-1.5">
        {found.map((command, index) => (
          <li
            key={command.id}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === chosen}
            onPointerMove={() => setAt(index)}
            onClick={() => run(command)}
            className={clsx(
              'flex h-10 items-center gap-3 rounded-lg px-3',
              index === chosen ? 'bg-accent-wash text-accent-text' : 'text-ink',
            )}
          >
            <Icon name={command.icon} className={index === chosen ? '' : 'text-faint'} />
            <span className="min-w-0 flex-1 truncate">{command.label}</span>
            <span className="text-xs text-soft">{command.hint}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 ? <p className="px-4 pb-5 text-center text-soft">{m.shell.paletteNothing}</p> : null}
    </>
  );
}

function useCommands(): readonly Command[] {
  const me = useMe();
  const may = useMay();
  const navigate = useNavigate();
  const [theme, setTheme] = useTheme();
  const places = NAVIGATION.flatMap((group) => group.places.map((place) => ({ ...place, hint: group.label ?? '' })));
  return [
    ...places
      .filter(({ needs }) => needs === undefined || may(needs))
      .map(({ to, label, icon, hint }) => ({ id: to, label, icon, hint, run: () => void navigate({ to }) })),
    ...me.orgs.flatMap((org) =>
      org.tenants
        .filter(({ id }) => id !== me.tenantId)
        .map((tenant) => ({
          id: tenant.id,
          label: m.shell.goTo(tenant.name),
          hint: org.name,
          icon: 'building' as const,
          run: () => void switchTenant(tenant.id),
        })),
    ),
    {
      id: 'theme',
      label: theme === 'dark' ? m.shell.lightTheme : m.shell.darkTheme,
      hint: '',
      icon: theme === 'dark' ? 'sun' : 'moon',
      run: () => setTheme(theme === 'dark' ? 'light' : 'dark'),
    },
    { id: 'out', label: m.shell.signOut, hint: '', icon: 'log-out', run: () => void session.leave() },
  ];
}

/** Whether the label contains every word that was typed. */
function matches(label: string, text: string): boolean {
  const whole = label.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => whole.includes(word));
}
