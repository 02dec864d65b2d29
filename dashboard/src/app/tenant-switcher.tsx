import { useState } from 'react';
import { useMay, useMe } from '../api/may.js';
import { useAnnounce } from '../kit/announcer.js';
import { messageOf } from '../kit/fault.js';
import { Icon } from '../kit/icon.js';
import { ActionMenu, type MenuGroup } from '../kit/menu.js';
import { m } from '../messages/index.js';
import { NewTenant } from './new-tenant.js';
import { switchTenant } from './switch-tenant.js';

/** The tenant that the user is in, and the others that they may switch to. */
export function TenantSwitcher() {
  const me = useMe();
  const may = useMay();
  const announce = useAnnounce();
  const [making, setMaking] = useState(false);
  const org = me.orgs.find(({ tenants }) => tenants.some(({ id }) => id === me.tenantId));
  const current = org?.tenants.find(({ id }) => id === me.tenantId);
  const go = (tenantId: string, name: string): void => {
    if (tenantId === me.tenantId) return;
    switchTenant(tenantId).then(
      () => announce(m.shell.youAreIn(name)),
      (error: unknown) => announce(messageOf(error)),
    );
  };
  const groups: MenuGroup[] = me.orgs.map(({ name, tenants }) => ({
    heading: name,
    entries: tenants.map((tenant) => ({
      label: tenant.name,
      checked: tenant.id === me.tenantId,
      onSelect: () => go(tenant.id, tenant.name),
    })),
  }));
  if (may('POST /api/v1/tenants/create')) {
    groups.push({ entries: [{ label: m.shell.newTenant, icon: 'plus', onSelect: () => setMaking(true) }] });
  }
  const name = current?.name ?? '';
  return (
    <>
      <ActionMenu
        align="start"
        wide
        groups={groups}
        trigger={
          <button
            type="button"
            className="flex w-full items-center gap-2.5 rounded-lg border border-line bg-panel px-2.5 py-2 text-left shadow-xs hover:border-strong"
          >
            <span
              aria-hidden
              className="grid size-7 shrink-0 place-items-center rounded-md bg-accent-wash text-xs font-semibold text-accent-text uppercase"
            >
              {name.slice(0, 1)}
            </span>
            <span className="min-w-0 flex-1">
              <span className="block truncate text-[13px] leading-tight font-medium">{name}</span>
              <span className="block truncate text-xs leading-tight text-faint">
                {org?.name} · {me.role === undefined ? '' : m.roles[me.role]}
              </span>
            </span>
            <span className="sr-only">{m.shell.switchTenant}</span>
            <Icon name="chevrons-up-down" className="text-faint" />
          </button>
        }
      />
      <NewTenant open={making} onClose={() => setMaking(false)} />
    </>
  );
}
