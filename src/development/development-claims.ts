import path from 'node:path';
import { readPrivateFile, replacePrivateFile } from './private-file.js';

export type Claims = Readonly<Record<string, unknown>>;

/**
 * What the development issuer remembers to say about each user, in a file of the development home. Every look-up reads
 * the file, since the token command is another process than the service; changes wait for each other.
 */
export class DevelopmentClaims {
  private readonly file: string;
  private last: Promise<unknown> = Promise.resolve();

  constructor(home: string) {
    this.file = path.join(home, 'claims.json');
  }

  async of(userId: string): Promise<Claims> {
    return (await this.read()).get(userId) ?? {};
  }

  change(userId: string, edit: (claims: Claims) => Claims): Promise<void> {
    const change = this.last.then(async () => {
      const all = await this.read();
      all.set(userId, edit(all.get(userId) ?? {}));
      await replacePrivateFile(this.file, `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
    });
    this.last = change.catch(() => undefined);
    return change;
  }

  /** A Map: in a plain object a user called `__proto__` would get the prototype. */
  private async read(): Promise<Map<string, Claims>> {
    const content = await readPrivateFile(this.file);
    if (content === null) return new Map();
    const all = parseJson(content);
    if (isRecord(all) && Object.values(all).every(isRecord))
      return new Map(Object.entries(all as Record<string, Claims>));
    throw new Error(`${this.file} does not hold the development issuer's claims; delete it to begin anew.`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
