import { generateKeyPair, randomBytes, type KeyObject } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { EncryptionKey, Pepper } from '../platform/config/index.js';
import { createPrivateFile, readPrivateFile } from './private-file.js';

/** The secrets that production gets from its operator, and the development issuer's own key. */
export interface DevelopmentSecrets {
  readonly peppers: readonly Pepper[];
  readonly encryptionKeys: readonly EncryptionKey[];
  /** PKCS#8, EC P-256, as GATEHOUSE_SIGNING_KEYS takes it. */
  readonly signingKeysPem: string;
  /** PKCS#8, RSA 2048. */
  readonly issuerKeyPem: string;
}

const generateKey = promisify(generateKeyPair);
const FILE = 'secrets.json';
/** Apart, since homes from before there was encryption have the other file already. */
const ENCRYPTION_FILE = 'encryption-keys.json';

const versionedSecrets = (secret: z.ZodType<string>) =>
  z
    .array(z.object({ version: z.int().positive(), secret }))
    .min(1)
    .transform((secrets) =>
      secrets.map(({ version, secret: text }) => ({ version, secret: Buffer.from(text, 'base64url') })),
    );

const storedSecrets = z.object({
  peppers: versionedSecrets(z.base64url().min(43)),
  signingKeysPem: z.string().min(1),
  issuerKeyPem: z.string().min(1),
});
const storedEncryptionKeys = z.object({ encryptionKeys: versionedSecrets(z.base64url().length(43)) });

/**
 * The secrets of a development home: made once and then reused, so that keys and tokens outlive a restart. The service and
 * the token command may start in any order, or both at once: the second one gets what the first one made.
 * @throws Error of one sentence where the file exists and is malformed: new secrets would silently void every key
 */
export async function loadDevelopmentSecrets(home: string): Promise<DevelopmentSecrets> {
  const secrets = await load(path.join(home, FILE), storedSecrets, 'keys that were issued', makeSecrets);
  const encryption = await load(
    path.join(home, ENCRYPTION_FILE),
    storedEncryptionKeys,
    'secrets that were stored',
    makeEncryptionKeys,
  );
  return { ...secrets, ...encryption };
}

async function load<S extends z.ZodType>(
  file: string,
  schema: S,
  lost: string,
  make: () => Promise<z.input<S>>,
): Promise<z.output<S>> {
  let content = await readPrivateFile(file);
  if (content === null) {
    await createPrivateFile(file, `${JSON.stringify(await make(), null, 2)}\n`);
    content = (await readPrivateFile(file)) ?? '';
  }
  const { success, data } = schema.safeParse(parseJson(content));
  if (success) return data;
  throw new Error(
    `${file} does not hold development secrets; delete it to have new ones made, and the ${lost} with the old ones stop working.`,
  );
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}

async function makeSecrets(): Promise<z.input<typeof storedSecrets>> {
  const signing = await generateKey('ec', { namedCurve: 'P-256' });
  const issuer = await generateKey('rsa', { modulusLength: 2048 });
  return {
    peppers: [newSecret()],
    signingKeysPem: pemOf(signing.privateKey),
    issuerKeyPem: pemOf(issuer.privateKey),
  };
}

const makeEncryptionKeys = (): Promise<z.input<typeof storedEncryptionKeys>> =>
  Promise.resolve({ encryptionKeys: [newSecret()] });

const newSecret = (): { version: number; secret: string } => ({
  version: 1,
  secret: randomBytes(32).toString('base64url'),
});

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
