/** The command line: as people run it, one process each; and many commands in one process, where only the output matters. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { bringBuildUpToDate } from './service.js';
import { COMPILE_CACHE } from './service-client.js';

const BIN = path.resolve('bin/gatehouse.mjs');
const HOST = path.resolve('test/support/command-host.mjs');

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly cwd: string;
  /** Its whole environment, except PATH. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
}

const environmentOf = ({ env = {} }: Surroundings): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'] ?? '',
  NODE_COMPILE_CACHE: COMPILE_CACHE,
  ...env,
});

/** A process of bin/gatehouse.mjs. */
export async function gatehouse(args: readonly string[], surroundings: Surroundings): Promise<Ran> {
  const child = spawn(process.execPath, [BIN, ...args], { cwd: surroundings.cwd, env: environmentOf(surroundings) });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // Most commands read nothing, and may have ended by then.
  child.stdin.on('error', () => undefined);
  child.stdin.end(surroundings.input ?? '');
  const [status] = (await once(child, 'close')) as [number | null];
  return { status: status ?? -1, stdout, stderr };
}

/** One process for the commands of a spec: loading a command's modules takes far longer than the command. */
export class CommandHost {
  private constructor(private readonly child: ChildProcess) {}

  static async start(): Promise<CommandHost> {
    bringBuildUpToDate();
    const child = fork(HOST, {
      env: environmentOf({ cwd: '' }),
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    return new CommandHost(child);
  }

  async run(args: readonly string[], surroundings: Surroundings): Promise<Ran> {
    const { cwd, input = '' } = surroundings;
    // Undefined values would not arrive.
    const env = Object.fromEntries(
      Object.entries(environmentOf(surroundings)).filter(([, value]) => value !== undefined),
    );
    const listening = new AbortController();
    const { signal } = listening;
    const answer = Promise.race([
      once(this.child, 'message', { signal }),
      once(this.child, 'exit', { signal }).then(([code]) => {
        throw new Error(`The process of the commands ended with ${String(code)} in: ${args.join(' ')}`);
      }),
    ]).finally(() => listening.abort());
    this.child.send({ args, cwd, env, input });
    const [ran] = (await answer) as [Ran];
    return ran;
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.disconnect();
    await ended;
  }
}
