import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Gateway } from '../../api/types.js';
import { buttonClass } from '../../kit/button.js';
import { Empty, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { CallDrawer } from '../calls/call-drawer.js';
import { columnsOf } from '../calls/call-columns.js';
import { useCalls } from '../calls/use-calls.js';

/** The calls that came by one gateway. */
export function GatewayCallsTab({ of }: { of: Gateway }) {
  const [opened, setOpened] = useState<string>();
  const pages = useCalls({ gatewayId: of.id });
  return (
    <Panel label={m.gateways.tabs.calls}>
      <PanelHead
        title={m.gateways.tabs.calls}
        lead={m.gateways.callsLead}
        actions={
          <Link to="/calls" search={{ gatewayId: of.id }} className={buttonClass()}>
            {m.gateways.seeCalls}
          </Link>
        }
      />
      <List
        label={m.gateways.tabs.calls}
        pages={pages}
        keyOf={({ callId }) => callId}
        columns={columnsOf(setOpened)}
        empty={
          <Empty icon="list-tree" title={m.calls.empty}>
            {m.calls.emptyHint}
          </Empty>
        }
      />
      <CallDrawer callId={opened} onClose={() => setOpened(undefined)} />
    </Panel>
  );
}
