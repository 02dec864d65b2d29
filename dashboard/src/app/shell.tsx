import { Dialog } from '@base-ui/react/dialog';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { clsx } from 'clsx';
import { useCallback, useEffect, useRef, useState } from 'react';
import { useMay, useMe } from '../api/may.js';
import { IconButton } from '../kit/button.js';
import { useOnline } from '../kit/fault.js';
import { Icon } from '../kit/icon.js';
import { m } from '../messages/index.js';
import { session } from '../session/session.js';
import { Mark } from './mark.js';
import { NAVIGATION, placeOf } from './navigation.js';
import { Palette, usePaletteKey } from './palette.js';
import { TenantSwitcher } from './tenant-switcher.js';
import { useTheme } from './theme.js';

export function Shell() {
  const [menu, setMenu] = useState(false);
  const [palette, setPalette] = useState(false);
  const openPalette = useCallback(() => setPalette(true), []);
  usePaletteKey(openPalette);
  const main = useRef<HTMLElement>(null);
  usePageChange(main);
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[15.5rem_minmax(0,1fr)]">
      <a
        href="#main"
        className="sr-only z-50 rounded-md bg-accent px-3 py-2 text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        {m.shell.skip}
      </a>
      <aside className="sticky top-0 hidden h-dvh border-r border-line lg:block">
        <Rail onPalette={openPalette} />
      </aside>
      <header className="sticky top-0 z-20 flex items-center gap-2 border-b border-line bg-canvas/95 px-3 py-2 lg:hidden">
        <Dialog.Root open={menu} onOpenChange={setMenu}>
          <Dialog.Trigger render={<IconButton icon="menu" label={m.shell.menu} />} />
          <Dialog.Portal>
            <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/45" />
            <Dialog.Popup className="fixed inset-y-0 left-0 z-50 w-72 bg-canvas shadow-2xl transition duration-150 data-ending-style:-translate-x-full data-starting-style:-translate-x-full">
              <Dialog.Title className="sr-only">{m.shell.menu}</Dialog.Title>
              <Rail onPalette={openPalette} onGo={() => setMenu(false)} />
            </Dialog.Popup>
          </Dialog.Portal>
        </Dialog.Root>
        <Mark size={24} />
        <span className="font-semibold">{m.name}</span>
      </header>
      <main
        ref={main}
        id="main"
        tabIndex={-1}
        className="mx-auto w-full max-w-6xl px-4 py-6 outline-none sm:px-8 sm:py-9"
      >
        <Offline />
        <Outlet />
      </main>
      <Palette open={palette} onClose={() => setPalette(false)} />
    </div>
  );
}

/** Announces a new page: its name becomes the document's title, and the focus moves to it. */
function usePageChange(main: React.RefObject<HTMLElement | null>): void {
  const path = useRouterState({ select: ({ resolvedLocation }) => resolvedLocation?.pathname ?? '/' });
  const before = useRef(path);
  useEffect(() => {
    // Of what had the focus before a sign-in or a switch of the tenant, nothing is left.
    if (document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [main]);
  useEffect(() => {
    document.title = `${placeOf(path)?.label ?? m.nav.overview} · ${m.name}`;
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [main, path]);
}

function Offline() {
  const online = useOnline();
  if (online) return null;
  return (
    <div role="status" className="mb-5 flex items-center gap-2.5 rounded-lg bg-warn-wash px-4 py-2.5 text-warn">
      <Icon name="wifi-off" />
      {m.states.offline}
    </div>
  );
}

function Rail({ onPalette, onGo }: { onPalette: () => void; onGo?: () => void }) {
  const may = useMay();
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const here = placeOf(path);
  return (
    <div className="flex h-full flex-col">
      <div className="flex items-center gap-2.5 px-4 pt-4 pb-3">
        <Mark />
        <span className="text-[15px] font-semibold tracking-tight">{m.name}</span>
      </div>
      <div className="grid gap-2 px-3 pb-3">
        <TenantSwitcher />
        <button
          type="button"
          onClick={() => {
            onGo?.();
            onPalette();
          }}
          className="flex h-8 items-center gap-2.5 rounded-lg border border-line px-2.5 text-[13px] text-soft hover:border-strong hover:text-ink"
        >
          <Icon name="search" size={14} />
          <span className="flex-1 text-left">{m.shell.find}</span>
          <kbd className="font-sans text-[11px] text-faint">{m.shell.findKey}</kbd>
        </button>
      </div>
      <nav aria-label={m.shell.main} className="flex-1 overflow-y-auto px-3 pb-4">
        {NAVIGATION.map(({ label, places }, index) => {
          const shown = places.filter(({ needs }) => needs === undefined || may(needs));
          if (shown.length === 0) return null;
          return (
            <div key={index} className="mb-3.5">
              {label ? <div className="px-2.5 pb-1 text-xs font-medium text-faint">{label}</div> : null}
              <ul className="grid gap-px">
                {shown.map(({ to, label: text, icon }) => (
                  <li key={to}>
                    <Link
                      to={to}
                      {...(onGo ? { onClick: onGo } : {})}
                      aria-current={here?.to === to ? 'page' : undefined}
                      className={clsx(
                        'flex h-8 items-center gap-2.5 rounded-md px-2.5 transition-colors',
                        here?.to === to
                          ? 'bg-accent-wash font-medium text-accent-text'
                          : 'text-soft hover:bg-sunken hover:text-ink',
                      )}
                    >
                      <Icon name={icon} />
                      {text}
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
      </nav>
      <Account />
    </div>
  );
}

function Account() {
  const { userId, email } = useMe();
  const [theme, setTheme] = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <div className="flex items-center gap-1 border-t border-line px-3 py-2.5">
      <span className="grid size-7 shrink-0 place-items-center rounded-full bg-line text-xs font-medium uppercase">
        {(email ?? userId).slice(0, 2)}
      </span>
      <span className="min-w-0 flex-1 truncate pl-1.5 text-[13px]" title={email ?? userId}>
        {email ?? userId}
      </span>
      <IconButton
        icon={other === 'light' ? 'sun' : 'moon'}
        label={other === 'light' ? m.shell.lightTheme : m.shell.darkTheme}
        onClick={() => setTheme(other)}
      />
      <IconButton icon="log-out" label={m.shell.signOut} onClick={() => void session.leave()} />
    </div>
  );
}
