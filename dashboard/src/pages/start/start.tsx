import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import type { Call } from '../../api/types.js';
import { formatCost, formatWhole } from '../../format/format.js';
import { Button, buttonClass } from '../../kit/button.js';
import { CodeBlock } from '../../kit/copy.js';
import { Fault } from '../../kit/fault.js';
import { Segmented } from '../../kit/fields.js';
import { Icon } from '../../kit/icon.js';
import { Note, PageHead, Panel } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { firstCall, LANGUAGES, type Language } from '../keys/first-call.js';

const LOOK_EVERY_MS = 3000;
const NO_KEY = 'YOUR_KEY';
const ANY_MODEL = 'gpt-4o-mini';

/** Leads to the first call: the page waits for it, and says why it failed. */
export default function Start() {
  const may = useMay();
  const [language, setLanguage] = useState<Language>('curl');
  const [key, setKey] = useState<string | null>(null);
  const model = useModel();
  const mayMake = may('POST /api/v1/api-keys/create');
  return (
    <>
      <PageHead title={m.start.title} lead={m.start.lead} />
      <ol className="grid max-w-3xl grid-cols-[minmax(0,1fr)] gap-4">
        {mayMake ? (
          <Step number={1} title={m.start.step1} lead={m.start.step1Lead} done={key !== null}>
            {key === null ? <MakeKey onMade={setKey} /> : <p className="text-good">{m.start.step1Done}</p>}
          </Step>
        ) : null}
        <Step
          number={mayMake ? 2 : 1}
          title={m.start.step2}
          lead={key === null ? m.start.step2NoKey : m.start.step2Lead}
        >
          <div className="mb-3">
            <Segmented
              label={m.start.language}
              value={language}
              onChoose={setLanguage}
              options={LANGUAGES.map((one) => [one, one])}
            />
          </div>
          <CodeBlock label={language} code={firstCall(language, key ?? NO_KEY, model)} />
        </Step>
        {may('POST /api/v1/usage/list-calls') ? <Watch number={mayMake ? 3 : 2} /> : null}
      </ol>
      <h2 className="mt-8 mb-3 font-semibold">{m.start.more}</h2>
      <div className="flex flex-wrap gap-2">
        <a href="/docs/guide/" className={buttonClass()}>
          <Icon name="book-open" />
          {m.start.links.docs}
        </a>
        <a href="/docs" className={buttonClass()}>
          <Icon name="square-terminal" />
          {m.start.links.api}
        </a>
        <Link to="/gateways" className={buttonClass()}>
          <Icon name="door-open" />
          {m.start.links.gateway}
        </Link>
        <Link to="/humans" className={buttonClass()}>
          <Icon name="users" />
          {m.start.links.humans}
        </Link>
      </div>
    </>
  );
}

interface StepProps {
  readonly number: number;
  readonly title: string;
  readonly lead?: string;
  readonly done?: boolean;
  readonly children: ReactNode;
}

function Step({ number, title, lead, done = false, children }: StepProps) {
  return (
    <li>
      <Panel className="flex gap-4 p-5">
        <span
          className={`grid size-7 shrink-0 place-items-center rounded-full text-[13px] font-semibold ${done ? 'bg-good-wash text-good' : 'bg-accent-wash text-accent-text'}`}
        >
          {done ? <Icon name="check" /> : number}
        </span>
        <div className="min-w-0 flex-1">
          <h2 className="font-semibold">{title}</h2>
          {lead ? <p className="mt-0.5 mb-3.5 text-soft">{lead}</p> : null}
          {children}
        </div>
      </Panel>
    </li>
  );
}

function MakeKey({ onMade }: { onMade: (key: string) => void }) {
  const [keys] = useState(() => new IdempotencyKeys());
  const queryClient = useQueryClient();
  const make = useMutation({
    mutationFn: async () => {
      const body = { name: m.start.step1Name };
      return (await answerOf(api.POST('/api/v1/api-keys/create', { body, headers: keys.of(body) }))).result;
    },
    onSuccess: async ({ key }) => {
      if (key !== undefined) onMade(key);
      await queryClient.invalidateQueries({ queryKey: ['keys'] });
    },
  });
  if (make.isSuccess && make.data.key === undefined) return <Note>{m.keyForm.lost}</Note>;
  return (
    <div className="grid gap-3">
      {make.isError ? <Fault error={make.error} /> : null}
      <div>
        <Button look="primary" icon="key-round" busy={make.isPending} onClick={() => make.mutate()}>
          {m.start.step1}
        </Button>
      </div>
    </div>
  );
}

/** Polls for calls while a person looks at the page. */
function Watch({ number }: { number: number }) {
  const latest = useQuery({
    queryKey: ['calls', 'latest'],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/usage/list-calls', { body: { pageSize: 1 }, signal }))).calls[0] ?? null,
    refetchInterval: ({ state }) => (state.data?.status === 'Success' ? false : LOOK_EVERY_MS),
    refetchIntervalInBackground: false,
  });
  const call = latest.data ?? null;
  return (
    <Step number={number} title={m.start.step3} done={call?.status === 'Success'}>
      <div role="status" className="mt-3">
        {latest.isError ? <Fault error={latest.error} retry={() => void latest.refetch()} /> : <Found call={call} />}
      </div>
    </Step>
  );
}

function Found({ call }: { call: Call | null }) {
  if (call === null) {
    return (
      <p className="flex items-center gap-2.5 text-soft">
        <Icon name="circle-dashed" className="motion-safe:animate-spin" />
        {m.start.waiting}
      </p>
    );
  }
  const link = (
    <Link to="/calls" search={{ call: call.callId }} className={buttonClass('outline', 'small')}>
      {m.start.seeCall}
    </Link>
  );
  if (call.status !== 'Success') {
    return (
      <Note tone="bad">
        <p className="font-medium">{m.start.failed}</p>
        <p className="mb-2.5">{m.start.causes[call.outcome] ?? m.start.causeOther(call.outcome)}</p>
        {link}
      </Note>
    );
  }
  const tokens = formatWhole(Number(call.inputTokens) + Number(call.outputTokens));
  const cost = call.costMicros === undefined ? m.calls.noPrice : formatCost(call.costMicros);
  return (
    <Note tone="good" icon="circle-check">
      <p className="font-medium">{m.start.arrived}</p>
      <p className="num mb-2.5">{m.start.arrivedLead(call.model, tokens, cost)}</p>
      {link}
    </Note>
  );
}

/** A model that this tenant can name. */
function useModel(): string {
  const may = useMay();
  const models = useQuery({
    queryKey: ['models', 'any'],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/llm/models/list', { body: { pageSize: 1 }, signal }))).models[0] ?? null,
    enabled: may('POST /api/v1/llm/models/list'),
  });
  return models.data?.model ?? ANY_MODEL;
}
