import { generateKeyPair, randomBytes, type KeyObject } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Pepper } from '../platform/config/index.js';
import { createPrivateFile, readPrivateFile } from './private-file.js';

/** The secrets that production gets from its operator, and the development issuer's own key. */
export interface DevelopmentSecrets {
  readonly peppers: readonly Pepper[];
  /** PKCS#8, EC P-256, as GATEHOUSE_SIGNING_KEYS takes it. */
  readonly signingKeysPem: string;
  /** PKCS#8, RSA 2048. */
  readonly issuerKeyPem: string;
}

const generateKey = promisify(generateKeyPair);
const FILE = 'secrets.json';

const stored = z.object({
  peppers: z
    .array(z.object({ version: z.int().positive(), secret: z.base64url().min(43) }))
    .min(1)
    .transform((peppers) =>
      peppers.map(({ version, secret }) => ({ version, secret: Buffer.from(secret, 'base64url') })),
    ),
  signingKeysPem: z.string().min(1),
  issuerKeyPem: z.string().min(1),
});

/**
 * The secrets of a development home: made once, and the same ones ever after, so that keys and tokens outlive a restart.
 * The service and the token command may come first, or both at once; whoever comes second gets what the first made.
 *
 * @throws Error of one sentence where the file is there and is not ours: new secrets would silently void every key.
 */
export async function loadDevelopmentSecrets(home: string): Promise<DevelopmentSecrets> {
  const file = path.join(home, FILE);
  const found = await readPrivateFile(file);
  if (found !== null) return parse(file, found);
  await createPrivateFile(file, `${JSON.stringify(await generate(), null, 2)}\n`);
  return parse(file, (await readPrivateFile(file)) ?? '');
}

function parse(file: string, content: string): DevelopmentSecrets {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    json = null;
  }
  const { success, data } = stored.safeParse(json);
  if (success) return data;
  throw new Error(
    `${file} does not hold development secrets; delete it to have new ones made, and the keys that were issued with the ` +
      'old ones stop working.',
  );
}

async function generate(): Promise<z.input<typeof stored>> {
  const signing = await generateKey('ec', { namedCurve: 'P-256' });
  const issuer = await generateKey('rsa', { modulusLength: 2048 });
  return {
    peppers: [{ version: 1, secret: randomBytes(32).toString('base64url') }],
    signingKeysPem: pemOf(signing.privateKey),
    issuerKeyPem: pemOf(issuer.privateKey),
  };
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
