import { Menu } from '@base-ui/react/menu';
import { clsx } from 'clsx';
import type { ReactElement, ReactNode } from 'react';
import type { IconName } from './icon-names.js';
import { Icon } from './icon.js';

interface MenuEntry {
  readonly label: ReactNode;
  readonly icon?: IconName;
  readonly danger?: boolean;
  readonly checked?: boolean;
  readonly disabled?: boolean;
  readonly onSelect: () => void;
}
export interface MenuGroup {
  readonly heading?: string;
  readonly entries: readonly MenuEntry[];
}

interface ActionMenuProps {
  readonly trigger: ReactElement;
  readonly groups: readonly MenuGroup[];
  readonly align?: 'start' | 'end';
  readonly wide?: boolean;
}

export function ActionMenu({ trigger, groups, align = 'end', wide = false }: ActionMenuProps) {
  const shown = groups.filter(({ entries }) => entries.length > 0);
  return (
    <Menu.Root>
      <Menu.Trigger render={trigger} />
      <Menu.Portal>
        <Menu.Positioner align={align} sideOffset={6} className="z-50">
          <Menu.Popup
            className={clsx(
              'rise max-h-[70dvh] overflow-y-auto rounded-xl border border-line bg-raised p-1.5 shadow-xl outline-none',
              wide ? 'w-66' : 'min-w-44',
            )}
          >
            {shown.map(({ heading, entries }, index) => (
              <Menu.Group key={index} className={clsx(index > 0 && 'mt-1.5 border-t border-line pt-1.5')}>
                {heading ? (
                  <Menu.GroupLabel className="truncate px-2.5 pt-1 pb-1.5 text-xs font-medium text-faint">
                    {heading}
                  </Menu.GroupLabel>
                ) : null}
                {entries.map((entry, at) => (
                  <MenuRow key={at} {...entry} />
                ))}
              </Menu.Group>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

function MenuRow({ label, icon, danger = false, checked = false, disabled = false, onSelect }: MenuEntry) {
  return (
    <Menu.Item
      disabled={disabled}
      onClick={onSelect}
      className={clsx(
        'flex h-8.5 cursor-default items-center gap-2.5 rounded-lg px-2.5 outline-none select-none data-disabled:opacity-50 data-highlighted:bg-sunken',
        danger ? 'text-bad' : 'text-ink',
      )}
    >
      {icon ? <Icon name={icon} className={danger ? '' : 'text-faint'} /> : null}
      <span className="min-w-0 flex-1 truncate">{label}</span>
      {checked ? <Icon name="check" className="text-accent-text" /> : null}
    </Menu.Item>
  );
}
