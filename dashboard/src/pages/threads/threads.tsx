import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Thread } from '../../api/types.js';
import { formatTime } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { Drawer } from '../../kit/dialog.js';
import { Await, Fault } from '../../kit/fault.js';
import { SearchField } from '../../kit/fields.js';
import { Badge, Empty, PageHead, Panel } from '../../kit/surface.js';
import { List, type Column } from '../../kit/table.js';
import { Time } from '../../kit/time.js';
import { m } from '../../messages/index.js';

const LOOK_EVERY_MS = 2000;

export default function Threads() {
  const [search, setSearch] = useState('');
  const [opened, setOpened] = useState<Thread | null>(null);
  const wanted = useDeferredValue(search.trim());
  const pages = usePages<Thread>(['threads', wanted], async (pageToken, signal) => {
    const body = { search: wanted, pageToken };
    const { threads, nextPageToken } = await answerOf(api.POST('/api/v1/llm/gateway/list-threads', { body, signal }));
    return { rows: threads, nextPageToken };
  });
  return (
    <>
      <PageHead title={m.threads.title} lead={m.threads.lead} />
      <Panel>
        <div className="border-b border-line p-3">
          <SearchField label={m.threads.search} value={search} onSearch={setSearch} />
        </div>
        <List
          label={m.threads.title}
          pages={pages}
          keyOf={({ conversationKey }) => conversationKey}
          columns={columnsOf(setOpened)}
          empty={
            wanted === '' ? (
              <Empty icon="messages-square" title={m.threads.empty}>
                {m.threads.emptyHint}
              </Empty>
            ) : (
              <Empty icon="search" title={m.threads.none}>
                {m.threads.noneHint}
              </Empty>
            )
          }
        />
      </Panel>
      <Drawer
        open={opened !== null}
        title={opened === null ? '' : opened.name || opened.conversationKey}
        onClose={() => setOpened(null)}
      >
        {opened === null ? null : <Conversation of={opened} onGone={() => setOpened(null)} />}
      </Drawer>
    </>
  );
}

function columnsOf(open: (thread: Thread) => void): readonly [Column<Thread>, ...Column<Thread>[]] {
  return [
    {
      head: m.threads.columns.name,
      className: 'max-w-96',
      cell: (thread) => (
        <>
          <button
            type="button"
            onClick={() => open(thread)}
            className="block max-w-full truncate font-medium hover:underline"
          >
            {thread.name || m.threads.unnamed}
          </button>
          <span className="block truncate font-mono text-xs text-faint">{thread.conversationKey}</span>
        </>
      ),
    },
    { head: m.threads.columns.updated, cell: ({ updatedAt }) => <Time of={updatedAt} /> },
    { head: m.threads.columns.created, wideOnly: true, cell: ({ createdAt }) => <Time of={createdAt} /> },
  ];
}

/** The messages, and the run that answers; while a run is open the page polls. */
function Conversation({ of: { conversationKey }, onGone }: { of: Thread; onGone: () => void }) {
  const may = useMay();
  const announce = useAnnounce();
  const queryClient = useQueryClient();
  const [removing, setRemoving] = useState(false);
  const key = ['thread', conversationKey];
  const thread = useQuery({
    queryKey: key,
    queryFn: ({ signal }) =>
      answerOf(api.POST('/api/v1/llm/gateway/conversation-state', { body: { conversationKey }, signal })),
    refetchInterval: ({ state }) => (state.data?.status === 'RUNNING' ? LOOK_EVERY_MS : false),
    refetchIntervalInBackground: false,
  });
  const cancel = useMutation({
    mutationFn: (runId: string) => answerOf(api.POST('/api/v1/llm/gateway/cancel-run', { body: { runId } })),
    onSuccess: async () => {
      announce(m.threads.canceled);
      await queryClient.invalidateQueries({ queryKey: key });
    },
  });
  const mayWrite = may('POST /api/v1/llm/gateway/delete-thread');
  const { data } = thread;
  return (
    <Await query={thread}>
      {data === undefined ? null : (
        <div className="grid gap-5">
          <div className="flex flex-wrap items-center gap-2">
            <Badge tone={data.status === 'RUNNING' ? 'warn' : 'plain'}>
              {data.status === 'RUNNING' ? m.threads.running : m.threads.idle}
            </Badge>
            {data.generationConfig.model === undefined ? null : <Badge>{data.generationConfig.model}</Badge>}
            <span className="flex-1" />
            {mayWrite && data.activeRunId !== undefined ? (
              <Button size="small" busy={cancel.isPending} onClick={() => cancel.mutate(data.activeRunId ?? '')}>
                {m.threads.cancel}
              </Button>
            ) : null}
            {mayWrite ? (
              <Button size="small" icon="trash" onClick={() => setRemoving(true)}>
                {m.threads.remove}
              </Button>
            ) : null}
          </div>
          {cancel.isError ? <Fault error={cancel.error} /> : null}
          <ol className="grid gap-4">
            {data.messages.length === 0 ? <li className="text-soft">{m.threads.noMessages}</li> : null}
            {data.messages.map(({ id, role, content, createdAt }) => (
              <li key={id} className="rounded-lg border border-line p-3.5">
                <p className="mb-1 flex justify-between gap-3 text-xs text-faint">
                  <span className="font-medium">{m.threads.roles[role]}</span>
                  <time dateTime={createdAt}>{formatTime(createdAt)}</time>
                </p>
                <p className="break-words whitespace-pre-wrap">{content}</p>
              </li>
            ))}
          </ol>
          {removing ? (
            <ConfirmAction
              title={m.threads.removeTitle}
              action={m.threads.remove}
              done={m.threads.removed}
              stale={['threads']}
              run={async () => {
                await answerOf(api.POST('/api/v1/llm/gateway/delete-thread', { body: { conversationKey } }));
                onGone();
              }}
              onClose={() => setRemoving(false)}
            >
              <p>{m.threads.removeLead}</p>
            </ConfirmAction>
          ) : null}
        </div>
      )}
    </Await>
  );
}
