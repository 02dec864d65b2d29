/** Gabber's published client, in a process of its own as in an application. */
import { execFile } from 'node:child_process';
import path from 'node:path';

const PROCESS = path.join(process.cwd(), 'test/http/llm-gabber/client-process.mjs');

export interface GabberAnswer {
  readonly status: number | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A method of the client's `llm` API, and its arguments; `$0.id` is a field of the first call's result. */
export type GabberCall = readonly [method: string, ...given: unknown[]];

export function gabber(baseUrl: string, token: string, calls: readonly GabberCall[]): Promise<GabberAnswer[]> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [PROCESS], { env: { PATH: process.env['PATH'] } }, (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout) as GabberAnswer[]);
      else reject(new Error("Gabber's client failed.", { cause: error }));
    });
    child.stdin?.end(JSON.stringify({ baseUrl, token, calls }));
  });
}
