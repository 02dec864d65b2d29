import { readFile } from 'node:fs/promises';

/** What `<home>/quickstart.json` holds, for scripts. */
export interface Quickstart {
  readonly baseUrl: string;
  readonly tenantId: string;
  readonly orgId: string;
  readonly secretKey: string;
}

/** Null where there is no such file, or it holds something else. */
export async function readQuickstart(file: string): Promise<Quickstart | null> {
  try {
    const { baseUrl, tenantId, orgId, secretKey } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    const texts = [baseUrl, tenantId, orgId, secretKey];
    return texts.every((text) => typeof text === 'string')
      ? ({ baseUrl, tenantId, orgId, secretKey } as Quickstart)
      : null;
  } catch {
    return null;
  }
}
