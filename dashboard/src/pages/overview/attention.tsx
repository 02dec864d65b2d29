import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import type { ApiKey, Budget } from '../../api/types.js';
import { formatAgo, formatPercent, formatWhole } from '../../format/format.js';
import { Icon } from '../../kit/icon.js';
import { Panel, PanelHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';

const SOON_MS = 14 * 86_400_000;
const NEAR = 0.8;
const MOST = 500;

interface Warning {
  readonly id: string;
  readonly text: string;
  readonly to: string;
}

/** Problems that a person should look at: expiring keys, budgets near their limit, models without a price, failing webhooks. */
export function Attention({ unpriced }: { unpriced: number }) {
  const may = useMay();
  const [nowMs] = useState(() => Date.now());
  const keys = useQuery({
    queryKey: ['keys', 'active'],
    queryFn: async ({ signal }) => {
      const body = { status: 'ACTIVE' as const, pageSize: MOST };
      return (await answerOf(api.POST('/api/v1/api-keys/list', { body, signal }))).apiKeys;
    },
    enabled: may('POST /api/v1/api-keys/list'),
  });
  const budgets = useQuery({
    queryKey: ['budgets', 'all'],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/budgets/list', { body: { pageSize: MOST }, signal }))).budgets,
    enabled: may('POST /api/v1/budgets/list'),
  });
  const webhooks = useQuery({
    queryKey: ['webhooks', 'all'],
    queryFn: async ({ signal }) => (await answerOf(api.POST('/api/v1/webhooks/list', { body: {}, signal }))).endpoints,
    enabled: may('POST /api/v1/webhooks/list'),
  });
  const warnings: Warning[] = [
    ...(keys.data ?? []).flatMap(({ keyId, name, expiresAt }) =>
      expiresAt !== undefined && Date.parse(expiresAt) - nowMs < SOON_MS
        ? [{ id: keyId, text: m.overview.expiring(name, formatAgo(expiresAt)), to: '/keys' }]
        : [],
    ),
    ...(budgets.data ?? []).flatMap((budget) => {
      const share = Number(budget.used) / Math.max(1, Number(budget.limit));
      // A human's allowance is meant to be used up; it shows on their own page.
      if (share < NEAR || budget.holder.human !== undefined) return [];
      return [
        {
          id: budget.budgetId,
          text: m.overview.budgetNear(holderOf(budget, keys.data), formatPercent(share)),
          to: '/settings',
        },
      ];
    }),
    ...(webhooks.data ?? []).flatMap(({ endpointId, url, status, failingSince }) =>
      status === 'ENABLED' && failingSince === undefined
        ? []
        : [{ id: endpointId, text: m.overview.webhookFailing(url), to: '/webhooks' }],
    ),
    ...(unpriced > 0 ? [{ id: 'unpriced', text: m.overview.unpriced(formatWhole(unpriced)), to: '/usage' }] : []),
  ];
  if (warnings.length === 0) return null;
  return (
    <Panel className="mb-4" label={m.overview.attention}>
      <PanelHead title={m.overview.attention} />
      <ul className="pb-2">{warnings.map(rowOf)}</ul>
    </Panel>
  );
}

function rowOf({ id, text, to }: Warning): ReactNode {
  return (
    <li key={id}>
      <Link to={to} className="flex items-center gap-3 border-t border-line px-5 py-2.5 hover:bg-sunken/70">
        <Icon name="triangle-alert" className="text-warn" />
        <span className="min-w-0 flex-1 break-words">{text}</span>
        <Icon name="chevron-right" className="text-faint" />
      </Link>
    </li>
  );
}

function holderOf({ holder: { keyId, gatewayId, gatewayTokenId } }: Budget, keys: readonly ApiKey[] = []): string {
  const keyName = keys.find((key) => key.keyId === keyId)?.name;
  return keyName ?? keyId ?? gatewayId ?? gatewayTokenId ?? m.overview.theTenant;
}
