import { useSyncExternalStore } from 'react';

export type Theme = 'light' | 'dark';

const KEPT = 'gatehouse.theme';
const listeners = new Set<() => void>();

const read = (): Theme => (document.documentElement.dataset['theme'] === 'dark' ? 'dark' : 'light');

function choose(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme;
  try {
    localStorage.setItem(KEPT, theme);
  } catch {
    // A browser without storage forgets the theme until the next visit.
  }
  for (const listener of listeners) listener();
}

export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const theme = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, read);
  return [theme, choose];
}
