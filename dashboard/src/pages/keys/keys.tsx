import { useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { ApiKey } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button, IconButton } from '../../kit/button.js';
import { FilterSelect, SearchField, Segmented } from '../../kit/fields.js';
import { ActionMenu } from '../../kit/menu.js';
import { Empty, PageHead, Panel } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { KeyDialog } from './key-dialog.js';
import { columnsOf } from './key-columns.js';
import { KeyDrawer } from './key-drawer.js';
import { RevokeKey } from './revoke-key.js';
import { RotateKey } from './rotate-key.js';

type Kind = ApiKey['type'];
type Status = ApiKey['status'];
type Doing = { readonly kind: 'show' | 'edit' | 'rotate' | 'revoke'; readonly key: ApiKey };

const STATUSES = ['ACTIVE', 'EXPIRED', 'REVOKED'] as const satisfies readonly Status[];

export default function Keys() {
  const may = useMay();
  const [kind, setKind] = useState<Kind>('SECRET');
  const [status, setStatus] = useState<Status | ''>('');
  const [search, setSearch] = useState('');
  const [creating, setCreating] = useState(false);
  const [round, setRound] = useState(0);
  const [doing, setDoing] = useState<Doing | null>(null);
  const wanted = useDeferredValue(search.trim());
  const pages = usePages<ApiKey>(['keys', kind, status, wanted], async (pageToken, signal) => {
    const body = { type: kind, search: wanted, pageToken, ...(status === '' ? {} : { status }) };
    const { apiKeys, nextPageToken } = await answerOf(api.POST('/api/v1/api-keys/list', { body, signal }));
    return { rows: apiKeys, nextPageToken };
  });
  const mayWrite = may('POST /api/v1/api-keys/create');
  const isFiltered = wanted !== '' || status !== '';
  return (
    <>
      <PageHead
        title={m.keys.title}
        lead={m.keys.lead}
        actions={
          mayWrite ? (
            <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
              {m.keys.create}
            </Button>
          ) : null
        }
      />
      <Panel>
        <div className="flex flex-wrap items-center gap-2.5 border-b border-line p-3">
          <Segmented
            label={m.keys.kinds}
            value={kind}
            onChoose={setKind}
            options={[
              ['SECRET', m.keys.secret],
              ['PUBLISHABLE', m.keys.publishable],
            ]}
          />
          <SearchField label={m.keys.search} value={search} onSearch={setSearch} />
          <FilterSelect
            label={m.keys.statusFilter}
            value={status}
            onChoose={(value) => setStatus(value as Status | '')}
            options={[['', m.keys.anyStatus], ...STATUSES.map((one) => [one, m.keys.status[one]] as const)]}
          />
        </div>
        <List
          label={m.keys.title}
          pages={pages}
          keyOf={({ keyId }) => keyId}
          columns={columnsOf((key) => setDoing({ kind: 'show', key }))}
          empty={
            isFiltered ? (
              <Empty icon="search" title={m.keys.none}>
                {m.keys.noneHint}
              </Empty>
            ) : (
              <Empty icon="key-round" title={m.keys.empty}>
                {m.keys.emptyHint}
              </Empty>
            )
          }
          actions={(key) => <Actions of={key} mayWrite={mayWrite} onDo={(what) => setDoing({ kind: what, key })} />}
        />
      </Panel>
      <KeyDialog
        key={`new ${kind} ${round}`}
        open={creating}
        kind={kind}
        onClose={() => setCreating(false)}
        onGone={() => setRound(round + 1)}
      />
      {doing?.kind === 'show' ? <KeyDrawer of={doing.key} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'edit' ? (
        <KeyDialog key={doing.key.keyId} open kind={doing.key.type} of={doing.key} onClose={() => setDoing(null)} />
      ) : null}
      {doing?.kind === 'rotate' ? <RotateKey of={doing.key} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'revoke' ? <RevokeKey of={doing.key} onClose={() => setDoing(null)} /> : null}
    </>
  );
}

interface ActionsProps {
  readonly of: ApiKey;
  readonly mayWrite: boolean;
  readonly onDo: (what: Doing['kind']) => void;
}

function Actions({ of, mayWrite, onDo }: ActionsProps) {
  const navigate = useNavigate();
  const announce = useAnnounce();
  const isOver = of.status === 'REVOKED';
  return (
    <ActionMenu
      trigger={<IconButton icon="ellipsis" label={m.kit.actionsFor(of.name)} />}
      groups={[
        {
          entries: [
            {
              label: m.keys.usage,
              icon: 'chart-column',
              onSelect: () => void navigate({ to: '/usage', search: { keyId: of.keyId } }),
            },
            {
              label: m.keys.calls,
              icon: 'list-tree',
              onSelect: () => void navigate({ to: '/calls', search: { keyId: of.keyId } }),
            },
            {
              label: m.keys.copyId,
              icon: 'copy',
              onSelect: () => void navigator.clipboard.writeText(of.keyId).then(() => announce(m.keys.idCopied)),
            },
          ],
        },
        {
          entries: mayWrite
            ? [
                { label: m.keys.edit, icon: 'pencil', disabled: isOver, onSelect: () => onDo('edit') },
                { label: m.keys.rotate, icon: 'rotate-cw', disabled: isOver, onSelect: () => onDo('rotate') },
                { label: m.keys.revoke, icon: 'ban', danger: true, disabled: isOver, onSelect: () => onDo('revoke') },
              ]
            : [],
        },
      ]}
    />
  );
}
