import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { answerOf, api } from '../../api/client.js';
import type { Call } from '../../api/types.js';
import { formatCost, formatDuration, formatTime, formatWhole, ZONE } from '../../format/format.js';
import { CopyButton } from '../../kit/copy.js';
import { Drawer } from '../../kit/dialog.js';
import { Await } from '../../kit/fault.js';
import { Badge, Facts, Mono } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { TONES } from './call-columns.js';

const LINK = 'text-accent-text hover:underline';

export function CallDrawer({ callId, onClose }: { callId: string | undefined; onClose: () => void }) {
  const call = useQuery({
    queryKey: ['call', callId],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/usage/get-call', { body: { callId: callId ?? '' }, signal }))).call,
    enabled: callId !== undefined,
    // A call that is over does not change.
    staleTime: Infinity,
  });
  return (
    <Drawer open={callId !== undefined} title={call.data?.model ?? m.calls.drawer} onClose={onClose}>
      <Await query={call}>{call.data === undefined ? null : <Content of={call.data} />}</Await>
    </Drawer>
  );
}

type Row = readonly [string, ReactNode];

function Content({ of }: { of: Call }) {
  const { facts } = m.calls;
  const tokens: Row[] = [
    [facts.input, formatWhole(of.inputTokens)],
    ...(of.cachedInputTokens === '0' ? [] : [[facts.cached, formatWhole(of.cachedInputTokens)] as const]),
    [facts.output, formatWhole(of.outputTokens)],
    ...(of.reasoningTokens === '0' ? [] : [[facts.reasoning, formatWhole(of.reasoningTokens)] as const]),
    [facts.estimated, of.estimated ? m.calls.byEstimate : m.calls.byProvider],
    [facts.cost, of.costMicros === undefined ? m.calls.noPrice : formatCost(of.costMicros)],
  ];
  return (
    <div className="num grid gap-6">
      <Facts rows={aboutOf(of)} />
      <section aria-label={m.calls.tokens} className="border-t border-line pt-5">
        <Facts rows={tokens} />
      </section>
      <section aria-label={facts.requestId} className="grid gap-3 border-t border-line pt-5">
        <Copied name={facts.requestId} text={of.requestId} />
        <Copied name={facts.callId} text={of.callId} />
      </section>
    </div>
  );
}

function aboutOf(of: Call): readonly Row[] {
  const { facts } = m.calls;
  return [
    [facts.status, <Badge tone={TONES[of.status]}>{m.calls.statuses[of.status]}</Badge>],
    ...(of.status === 'Success' ? [] : [[facts.outcome, `${of.outcome} ${of.statusCode ?? ''}`] as const]),
    [facts.time, `${formatTime(of.createdAt)} (${ZONE})`],
    ...(of.durationMs === undefined ? [] : [[facts.duration, formatDuration(of.durationMs)] as const]),
    ...(of.firstByteMs === undefined ? [] : [[facts.firstByte, formatDuration(of.firstByteMs)] as const]),
    [facts.operation, of.operation],
    ...(of.modelAsked === of.model ? [] : [[facts.asked, of.modelAsked] as const]),
    [facts.answered, of.model],
    [facts.provider, of.provider],
    ...(of.tries === 1 ? [] : [[facts.tries, String(of.tries)] as const]),
    [facts.streamed, of.streamed ? m.calls.yes : m.calls.no],
    ...(of.keyId === undefined
      ? []
      : [
          [
            facts.key,
            <Link to="/calls" search={{ keyId: of.keyId }} className={LINK}>
              {of.keyName ?? of.keyId}
            </Link>,
          ] as const,
        ]),
    ...(of.human === undefined
      ? []
      : [
          [
            facts.human,
            <Link to="/calls" search={{ human: of.human }} className={LINK}>
              {of.human}
            </Link>,
          ] as const,
        ]),
    ...(of.userId === undefined ? [] : [[facts.user, of.userId] as const]),
    ...(of.gatewayId === undefined
      ? []
      : [
          [
            facts.gateway,
            <Link to="/gateways/$gatewayId" params={{ gatewayId: of.gatewayId }} className={LINK}>
              {of.gatewayName ?? of.gatewayId}
            </Link>,
          ] as const,
        ]),
  ];
}

function Copied({ name, text }: { name: string; text: string }) {
  return (
    <div className="flex items-center gap-3">
      <div className="min-w-0 flex-1">
        <div className="text-soft">{name}</div>
        <Mono>{text}</Mono>
      </div>
      <CopyButton text={text} />
    </div>
  );
}
