import type { GatewayToken } from '../../api/types.js';
import { formatAgo, formatTime } from '../../format/format.js';
import { Drawer } from '../../kit/dialog.js';
import { Facts } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { Budgets } from '../budgets/budgets.js';
import { saidLimits } from './limits.js';

/** One token: until when it works, its limits, and its budgets with what is used, held and left. */
export function GatewayTokenDrawer({ of, onClose }: { of: GatewayToken; onClose: () => void }) {
  const { id, name, createdAt, lastUsedAt, expiresAt, rateLimit } = of;
  return (
    <Drawer open title={name} onClose={onClose}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
        <Facts
          rows={[
            [m.gateways.id, id],
            [m.gatewayTokens.createdAt, formatTime(createdAt)],
            [m.gatewayTokens.lastUsed, lastUsedAt === undefined ? m.kit.never : formatAgo(lastUsedAt)],
            [m.gatewayTokens.expires, expiresAt === undefined ? m.kit.never : formatTime(expiresAt)],
            [m.gateways.limitsFact, saidLimits(rateLimit).join(', ') || m.gateways.noLimits],
          ]}
        />
        <Budgets holder={{ gatewayTokenId: id }} lead={m.gatewayTokens.budgetsLead} />
      </div>
    </Drawer>
  );
}
