import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Gateway, GatewayToken } from '../../api/types.js';
import { formatAgo, formatTime } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Confirm } from '../../kit/dialog.js';
import { SearchField } from '../../kit/fields.js';
import { Badge, Empty, Note, Panel, PanelHead } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { CreateGatewayToken } from './create-gateway-token.js';
import { GatewayTokenDrawer } from './gateway-token-drawer.js';

/** The tab where a gateway's callers get their tokens. */
export function GatewayTokens({ of }: { of: Gateway }) {
  const may = useMay();
  const [search, setSearch] = useState('');
  const [creating, setCreating] = useState(false);
  const [round, setRound] = useState(0);
  const [showing, setShowing] = useState<GatewayToken | null>(null);
  const [deleting, setDeleting] = useState<GatewayToken | null>(null);
  const wanted = useDeferredValue(search.trim());
  const pages = usePages<GatewayToken>(['gateway-tokens', of.id, wanted], async (pageToken, signal) => {
    const params = { path: { gatewayId: of.id }, query: { search: wanted, page_token: pageToken } };
    const { tokens, nextPageToken } = await answerOf(
      api.GET('/api/v1/gateways/{gatewayId}/tokens', { params, signal }),
    );
    return { rows: tokens, nextPageToken };
  });
  const mayWrite = may('POST /api/v1/gateways/{gatewayId}/tokens');
  return (
    <Panel label={m.gatewayTokens.title}>
      <PanelHead
        title={m.gatewayTokens.title}
        lead={m.gatewayTokens.lead}
        actions={
          mayWrite ? (
            <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
              {m.gatewayTokens.create}
            </Button>
          ) : null
        }
      />
      <div className="border-y border-line p-3">
        <SearchField label={m.gatewayTokens.search} value={search} onSearch={setSearch} />
      </div>
      <List
        label={m.gatewayTokens.title}
        pages={pages}
        keyOf={({ id }) => id}
        columns={columnsOf(setShowing)}
        actionsHead={m.gatewayTokens.action}
        empty={
          <Empty icon="ticket" title={m.gatewayTokens.empty}>
            {m.gatewayTokens.emptyHint}
          </Empty>
        }
        {...(mayWrite
          ? {
              actions: (token: GatewayToken) => (
                <Button
                  size="small"
                  look="ghost"
                  icon="trash"
                  aria-label={m.gatewayTokens.deleteFor(token.name)}
                  onClick={() => setDeleting(token)}
                >
                  {m.gatewayTokens.delete}
                </Button>
              ),
            }
          : {})}
      />
      <CreateGatewayToken
        key={round}
        gateway={of}
        open={creating}
        onClose={() => setCreating(false)}
        onGone={() => setRound(round + 1)}
      />
      {showing === null ? null : <GatewayTokenDrawer of={showing} onClose={() => setShowing(null)} />}
      {deleting === null ? null : <DeleteToken gateway={of} of={deleting} onClose={() => setDeleting(null)} />}
    </Panel>
  );
}

const columnsOf = (
  onShow: (token: GatewayToken) => void,
): readonly [Column<GatewayToken>, ...Column<GatewayToken>[]] => [
  {
    head: m.gatewayTokens.tokenName,
    className: 'max-w-72',
    cell: (token) => (
      <button
        type="button"
        title={token.name}
        onClick={() => onShow(token)}
        className="block max-w-full truncate font-medium hover:underline"
      >
        {token.name}
      </button>
    ),
  },
  {
    head: m.gatewayTokens.createdAt,
    cell: ({ createdAt }) => <span className="whitespace-nowrap text-soft">{formatTime(createdAt)}</span>,
  },
  {
    head: m.gatewayTokens.lastUsed,
    wideOnly: true,
    cell: ({ lastUsedAt }) => (
      <span className="whitespace-nowrap text-soft">
        {lastUsedAt === undefined ? m.kit.never : formatAgo(lastUsedAt)}
      </span>
    ),
  },
  {
    head: m.gatewayTokens.status,
    cell: ({ status }) => (
      <Badge tone={status === 'ACTIVE' ? 'good' : 'warn'}>{m.gatewayTokens.statuses[status]}</Badge>
    ),
  },
];

function DeleteToken({ gateway, of, onClose }: { gateway: Gateway; of: GatewayToken; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const remove = useMutation({
    mutationFn: () =>
      answerOf(
        api.DELETE('/api/v1/gateways/{gatewayId}/tokens/{tokenId}', {
          params: { path: { gatewayId: gateway.id, tokenId: of.id } },
        }),
      ),
    onSuccess: async () => {
      announce(m.gatewayTokens.deleted(of.name));
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['gateway-tokens', gateway.id] });
    },
  });
  return (
    <Confirm
      open
      title={m.gatewayTokens.deleteTitle(of.name)}
      action={m.gatewayTokens.confirm}
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <p>{m.gatewayTokens.deleteLead}</p>
      {of.lastUsedAt === undefined ? null : <Note>{m.keyRevoke.inUse(formatAgo(of.lastUsedAt))}</Note>}
    </Confirm>
  );
}
