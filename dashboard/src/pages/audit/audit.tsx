import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { usePages } from '../../api/queries.js';
import type { AuditEvent, AuditPage } from '../../api/types.js';
import { formatTime, ZONE } from '../../format/format.js';
import { Drawer } from '../../kit/dialog.js';
import { Download } from '../../kit/download.js';
import { FilterSelect, SearchField } from '../../kit/fields.js';
import { Empty, Facts, Mono, PageHead, Panel } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { m } from '../../messages/index.js';

const ACTORS = ['user', 'key', 'system'] as const;
type Actor = (typeof ACTORS)[number];

const typeOf = (actorType: Actor | '') => (actorType === '' ? {} : { actorType });

/** All rows that the filters leave, as the API writes them. */
async function tableOf(filter: { readonly action: string; readonly actorType?: Actor }): Promise<Blob> {
  const body = { ...filter, format: 'CSV' as const };
  const { data } = await api.POST('/api/v1/audit/list', { body, parseAs: 'blob' });
  return data as unknown as Blob;
}

export default function Audit() {
  const [action, setAction] = useState('');
  const [typed, setTyped] = useState('');
  const [actorType, setActorType] = useState<Actor | ''>('');
  const [opened, setOpened] = useState<AuditEvent | null>(null);
  const pages = usePages<AuditEvent>(['audit', action, actorType], async (pageToken, signal) => {
    const body = { action, pageToken, ...typeOf(actorType) };
    // The answer is a text only where a table is requested.
    const answer = await answerOf(api.POST('/api/v1/audit/list', { body, signal }));
    const { events, nextPageToken } = answer as AuditPage;
    return { rows: events, nextPageToken };
  });
  return (
    <>
      <PageHead
        title={m.audit.title}
        lead={m.audit.lead}
        actions={<Download file={m.audit.file} load={() => tableOf({ action, ...typeOf(actorType) })} />}
      />
      <Panel>
        <div className="flex flex-wrap items-center gap-2.5 border-b border-line p-3">
          <SearchField
            label={m.audit.action}
            value={typed}
            onSearch={setTyped}
            onKeyDown={(event) => {
              if (event.key === 'Enter') setAction(typed.trim());
            }}
            onBlur={() => setAction(typed.trim())}
          />
          <FilterSelect
            label={m.audit.actorType}
            value={actorType}
            onChoose={(value) => setActorType(ACTORS.find((one) => one === value) ?? '')}
            options={[['', m.audit.anyActor], ...ACTORS.map((one) => [one, m.audit.actors[one] ?? one] as const)]}
          />
          <span className="ml-auto text-xs text-faint">{ZONE}</span>
        </div>
        <List
          label={m.audit.title}
          pages={pages}
          keyOf={({ id }) => id}
          columns={columnsOf(setOpened)}
          empty={
            <Empty icon="scroll-text" title={m.audit.empty}>
              {m.audit.emptyHint}
            </Empty>
          }
        />
      </Panel>
      <Drawer open={opened !== null} title={opened?.action ?? ''} onClose={() => setOpened(null)}>
        {opened === null ? null : <Event of={opened} />}
      </Drawer>
    </>
  );
}

function columnsOf(open: (event: AuditEvent) => void): readonly [Column<AuditEvent>, ...Column<AuditEvent>[]] {
  return [
    {
      head: m.audit.columns.action,
      cell: (event) => (
        <button type="button" onClick={() => open(event)} className="font-mono text-[13px] hover:underline">
          {event.action}
        </button>
      ),
    },
    {
      head: m.audit.columns.actor,
      className: 'max-w-56',
      cell: ({ actor }) => (
        <span className="block truncate">
          <span className="text-faint">{m.audit.actors[actor.type] ?? actor.type} </span>
          {actor.id}
        </span>
      ),
    },
    {
      head: m.audit.columns.resource,
      className: 'max-w-56',
      cell: ({ resource }) => (
        <span className="block truncate">
          <span className="text-faint">{resource.type} </span>
          {resource.id}
        </span>
      ),
    },
    {
      head: m.audit.columns.time,
      cell: ({ occurredAt }) => <span className="whitespace-nowrap text-soft">{formatTime(occurredAt)}</span>,
    },
  ];
}

function Event({ of }: { of: AuditEvent }) {
  const { actor, resource, subject } = of;
  return (
    <div className="grid gap-5">
      <Facts
        rows={[
          [m.audit.columns.time, `${formatTime(of.occurredAt)} (${ZONE})`],
          [m.audit.columns.actor, `${m.audit.actors[actor.type] ?? actor.type} ${actor.id ?? ''}`],
          [m.audit.columns.resource, `${resource.type} ${resource.id}`],
          ...(subject === undefined ? [] : [[m.audit.columns.subject, subject.human ?? subject.humanId] as const]),
          ...(of.address === undefined ? [] : [['IP', of.address] as const]),
          ...(of.requestId === undefined ? [] : [[m.calls.requestId, <Mono>{of.requestId}</Mono>] as const]),
        ]}
      />
      <div>
        <h3 className="mb-1.5 font-medium">{m.audit.details}</h3>
        <pre
          tabIndex={0}
          aria-label={m.audit.details}
          className="overflow-x-auto rounded-lg border border-line bg-sunken p-3 font-mono text-xs"
        >
          {JSON.stringify(of.details, null, 2)}
        </pre>
      </div>
    </div>
  );
}
