import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { Button } from '../../kit/button.js';
import { CodeBlock } from '../../kit/copy.js';
import { Await, Fault } from '../../kit/fault.js';
import { INPUT, Segmented, SelectField, TextField } from '../../kit/fields.js';
import { Empty, PageHead, Panel } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { LANGUAGES, type Language } from '../keys/first-call.js';
import { codeOf } from './code.js';
import { streamChat, type ChatMessage, type ChatRequest } from './stream.js';
import { Used, type Use } from './used.js';

export default function Playground() {
  const models = useQuery({
    queryKey: ['models', 'names'],
    queryFn: async ({ signal }) => {
      const { models: found } = await answerOf(
        api.POST('/api/v1/llm/models/list', { body: { pageSize: 500 }, signal }),
      );
      return found.map(({ model }) => model);
    },
  });
  return (
    <>
      <PageHead title={m.playground.title} lead={m.playground.lead} />
      <Await query={models}>
        {models.data === undefined || models.data.length === 0 ? (
          <Panel>
            <Empty icon="cpu" title={m.models.noModels}>
              {m.models.noModelsHint}
            </Empty>
          </Panel>
        ) : (
          <Conversation models={models.data} />
        )}
      </Await>
    </>
  );
}

function Conversation({ models }: { models: readonly string[] }) {
  const [model, setModel] = useState(models[0] ?? '');
  const [system, setSystem] = useState('');
  const [temperature, setTemperature] = useState('');
  const [maxTokens, setMaxTokens] = useState('');
  const [typed, setTyped] = useState('');
  const [messages, setMessages] = useState<readonly ChatMessage[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [used, setUsed] = useState<Use | null>(null);
  const running = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const [language, setLanguage] = useState<Language>('curl');
  useEffect(() => () => running.current?.abort(), []);

  const requestOf = (asked: readonly ChatMessage[]): ChatRequest => ({
    model,
    messages: [...(system === '' ? [] : [{ role: 'system' as const, content: system }]), ...asked],
    ...(temperature === '' ? {} : { temperature: Number(temperature) }),
    ...(maxTokens === '' ? {} : { max_tokens: Number(maxTokens) }),
  });
  const send = async (): Promise<void> => {
    const asked = [...messages, { role: 'user' as const, content: typed }];
    const controller = new AbortController();
    running.current = controller;
    const startedAt = performance.now();
    setTyped('');
    setError(null);
    setUsed(null);
    setMessages(asked);
    setBusy(true);
    try {
      const stream = streamChat(requestOf(asked), controller.signal);
      let content = '';
      for (;;) {
        const { done, value } = await stream.next();
        if (done) {
          const { usage, requestId } = value;
          if (usage !== null) setUsed({ usage, requestId, ms: performance.now() - startedAt });
          break;
        }
        content += value;
        setMessages([...asked, { role: 'assistant', content }]);
      }
    } catch (thrown) {
      if (!controller.signal.aborted) setError(thrown);
    } finally {
      setBusy(false);
    }
  };
  const startAnew = (): void => {
    setMessages([]);
    setUsed(null);
    setError(null);
  };
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-[minmax(0,1fr)_18rem]">
      <Panel
        label={m.playground.conversation}
        className="flex min-h-[26rem] flex-col lg:min-h-[calc(100dvh-10rem)] lg:self-start"
      >
        <ol className="grid flex-1 content-start gap-4 p-5" aria-live="polite" aria-busy={busy}>
          {messages.length === 0 ? <li className="text-soft">{m.playground.empty}</li> : null}
          {messages.map(({ role, content }, index) => (
            <li key={index}>
              <p className="mb-1 text-xs font-medium text-faint">{role === 'user' ? m.playground.you : model}</p>
              <p className="break-words whitespace-pre-wrap">{content}</p>
            </li>
          ))}
          {error === null ? null : (
            <li>
              <Fault error={error} />
            </li>
          )}
        </ol>
        {used === null ? null : <Used of={used} />}
        <form
          className="flex items-end gap-2 border-t border-line p-3"
          onSubmit={(event) => {
            event.preventDefault();
            if (typed.trim() !== '' && !busy) void send();
          }}
        >
          <textarea
            aria-label={m.playground.message}
            placeholder={m.playground.placeholder}
            value={typed}
            rows={2}
            onChange={(event) => setTyped(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey) return;
              event.preventDefault();
              event.currentTarget.form?.requestSubmit();
            }}
            className={`${INPUT} h-auto flex-1 resize-y py-2`}
          />
          {busy ? (
            <Button icon="square" onClick={() => running.current?.abort()}>
              {m.playground.stop}
            </Button>
          ) : (
            <Button type="submit" look="primary" icon="send">
              {m.playground.send}
            </Button>
          )}
        </form>
      </Panel>
      <div className="grid grid-cols-[minmax(0,1fr)] content-start gap-4">
        <Panel label={m.playground.settings} className="grid gap-4 p-5">
          <SelectField
            name="model"
            label={m.playground.model}
            value={model}
            onChange={(event) => setModel(event.target.value)}
            options={models.map((name) => [name, name])}
          />
          <TextField
            name="system"
            label={m.playground.system}
            hint={m.playground.systemHint}
            value={system}
            onChange={(event) => setSystem(event.target.value)}
          />
          <TextField
            name="temperature"
            label={m.playground.temperature}
            hint={m.playground.temperatureHint}
            type="number"
            min={0}
            max={2}
            step={0.1}
            value={temperature}
            onChange={(event) => setTemperature(event.target.value)}
          />
          <TextField
            name="maxTokens"
            label={m.playground.maxTokens}
            type="number"
            min={1}
            value={maxTokens}
            onChange={(event) => setMaxTokens(event.target.value)}
          />
          <Button onClick={startAnew} disabled={busy}>
            {m.playground.clear}
          </Button>
        </Panel>
        <div className="grid grid-cols-[minmax(0,1fr)] gap-2.5">
          <Segmented
            label={m.playground.code}
            value={language}
            onChoose={setLanguage}
            options={LANGUAGES.map((one) => [one, one])}
          />
          <CodeBlock
            label={m.playground.code}
            code={codeOf(language, requestOf(messages.length === 0 ? EXAMPLE : messages))}
          />
        </div>
      </div>
    </div>
  );
}

const EXAMPLE: readonly ChatMessage[] = [{ role: 'user', content: 'Hello!' }];
