/** The clients that applications use, each with its own calls, in a Node process beside the test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { COMPILE_CACHE } from '../../support/service.js';

const PROCESS = path.join(process.cwd(), 'test/http/clients/client-process.mjs');

export const CLIENTS = [
  'openai 4',
  'openai 6',
  'openai 7',
  'AI SDK, openai',
  'AI SDK, openai-compatible',
  'LangChain',
] as const;
export type Client = (typeof CLIENTS)[number];

/** A caller's request, independent of the client. */
export interface Asks {
  readonly model: string;
  readonly maxTokens?: number;
  /** In OpenAI's form. */
  readonly tools?: readonly object[];
  /** The prompt is a part with `cache_control`. */
  readonly cached?: boolean;
  /** The caller of a stream hangs up after this text. */
  readonly leavesAt?: string;
}

export interface Call extends Asks {
  readonly client: Client;
  readonly stream: boolean;
  readonly prompt: string;
  readonly baseUrl: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The number of retries that the client may make. */
  readonly retries: number;
}

/** The client's result for its application. */
export interface Said {
  /** For a stream that failed: all text before the failure. */
  readonly text: string;
  readonly toolCalls: readonly { readonly name: string; readonly arguments: unknown }[];
  readonly finish: string | null;
  readonly usage: { readonly input: number | null; readonly output: number | null } | null;
  readonly error: { readonly status: number | null; readonly message: string } | null;
}

export class ClientProcess {
  private readonly waiting = new Map<number, (said: Said) => void>();
  private calls = 0;

  private constructor(private readonly child: ChildProcess) {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { id, said } = JSON.parse(line) as { readonly id: number; readonly said: Said };
      this.waiting.get(id)?.(said);
      this.waiting.delete(id);
    });
  }

  static start(): ClientProcess {
    const env = { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE };
    return new ClientProcess(spawn(process.execPath, [PROCESS], { env, stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  /** @param hangUp the caller hangs up once this resolves */
  ask(call: Call, hangUp?: Promise<unknown>): Promise<Said> {
    const id = (this.calls += 1);
    const said = new Promise<Said>((resolve) => this.waiting.set(id, resolve));
    this.send({ id, ...call });
    void hangUp?.then(() => this.send({ abort: id }));
    return said;
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.stdin!.end();
    await ended;
  }

  private send(line: object): void {
    this.child.stdin!.write(`${JSON.stringify(line)}\n`);
  }
}
