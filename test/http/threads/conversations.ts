/** Threads as a tenant's server or a human's app uses them, and the events of their runs. */
import http, { type IncomingHttpHeaders } from 'node:http';
import { eventually } from '../../support/eventually.js';
import type { Answer, ServiceClient } from '../../support/service-client.js';

export interface RunView {
  readonly runId: string;
  readonly status: string;
}

interface MessageView {
  readonly id: string;
  readonly role: string;
  readonly content: string;
  readonly runId: string;
  readonly toolCalls?: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly toolCallId?: string;
}

interface ConversationView {
  readonly conversationKey: string;
  readonly name: string;
  readonly status: string;
  readonly activeRunId?: string;
  readonly awaitingToolOutputs: boolean;
  readonly messages: readonly MessageView[];
  readonly messagesLeftOut: number;
  readonly nextPageToken: string;
  readonly generationConfig: object;
  readonly settings: object;
  readonly tools: readonly object[];
}

/** One caller's access to threads on one replica. */
export class Conversations {
  constructor(
    readonly service: Pick<ServiceClient, 'baseUrl' | 'call'>,
    readonly headers: Readonly<Record<string, string>>,
  ) {}

  /** The same caller on another replica. */
  on(service: Pick<ServiceClient, 'baseUrl' | 'call'>): Conversations {
    return new Conversations(service, this.headers);
  }

  /** POSTs, and returns any answer. */
  ask(method: string, body: object = {}, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.service.call('POST', `/api/v1/llm/gateway/${method}`, {
      headers: { ...this.headers, ...headers },
      body,
    });
  }

  async get<T>(method: string, body: object = {}): Promise<T> {
    const answer = await this.ask(method, body);
    if (answer.status !== 200) throw new Error(`${method} answered ${answer.status}: ${answer.text}`);
    return answer.json<T>();
  }

  send(conversationKey: string, content: string, more: object = {}): Promise<RunView> {
    return this.get('send-message', {
      conversation_key: conversationKey,
      user_message: { role: 'user', content },
      ...more,
    });
  }

  state(conversationKey: string, page: object = {}): Promise<ConversationView> {
    return this.get('conversation-state', { conversation_key: conversationKey, ...page });
  }

  events(runId: string, lastEventId?: string): RunStream {
    return RunStream.start(this.service, this.headers, runId, lastEventId);
  }

  /** Waits until no run of a thread is open. */
  async idle(conversationKey: string): Promise<ConversationView> {
    let state: ConversationView | undefined;
    await eventually(async () => {
      state = await this.state(conversationKey);
      return state.status === 'IDLE';
    }, 30_000);
    return state as ConversationView;
  }
}

interface RunEvent {
  readonly type: string;
  readonly id: string;
  readonly data: {
    readonly runId: string;
    readonly content?: string;
    readonly status?: string;
    readonly error?: { readonly code: string; readonly message: string };
    readonly toolCalls?: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  };
}

/** A run's events, read by a test. */
class RunStream {
  status = 0;
  headers: IncomingHttpHeaders = {};
  text = '';
  ended = false;

  private constructor(private readonly request: http.ClientRequest) {
    request.on('error', () => (this.ended = true));
    request.on('response', (response) => {
      this.status = response.statusCode ?? 0;
      this.headers = response.headers;
      response.setEncoding('utf8').on('data', (text: string) => (this.text += text));
      response.on('end', () => (this.ended = true)).on('error', () => (this.ended = true));
    });
  }

  static start(
    service: Pick<ServiceClient, 'baseUrl'>,
    headers: Readonly<Record<string, string>>,
    runId: string,
    lastEventId?: string,
  ): RunStream {
    const request = http.request(new URL('/api/v1/llm/gateway/run-events', service.baseUrl), {
      method: 'POST',
      agent: false,
      headers: {
        'content-type': 'application/json',
        ...headers,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    });
    request.end(JSON.stringify({ run_id: runId }));
    return new RunStream(request);
  }

  get events(): RunEvent[] {
    return this.text
      .split('\n\n')
      .slice(0, -1)
      .filter((event) => event.startsWith('event: '))
      .map((event) => {
        const [type = '', id = '', data = ''] = event.split('\n').map((line) => line.slice(line.indexOf(': ') + 2));
        return { type, id, data: JSON.parse(data) as RunEvent['data'] };
      });
  }

  /** The text so far. */
  get said(): string {
    return this.events.map(({ data }) => data.content ?? '').join('');
  }

  get last(): RunEvent | undefined {
    return this.events.at(-1);
  }

  async until(text: string): Promise<void> {
    await eventually(() => this.said.includes(text), 30_000);
  }

  /** Waits for the run's end. */
  async whole(): Promise<RunEvent> {
    await eventually(() => this.ended, 60_000);
    const { last } = this;
    if (last === undefined) throw new Error(`No event came: ${this.status} ${this.text}`);
    return last;
  }

  hangUp(): void {
    this.request.destroy();
  }
}
