import { createPrivateKey } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseSigningKeys } from '../platform/crypto/index.js';
import { loadDevelopmentSecrets } from './development-secrets.js';

let parent: string;
let home: string;

beforeEach(async () => {
  parent = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-secrets-'));
  home = path.join(parent, 'home');
});

afterEach(() => rm(parent, { recursive: true, force: true }));

const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;

describe('loadDevelopmentSecrets', () => {
  it('makes one pepper, one encryption key, one signing key that the service accepts, and an RSA key for the issuer', async () => {
    const { peppers, encryptionKeys, signingKeysPem, issuerKeyPem } = await loadDevelopmentSecrets(home);
    for (const ring of [peppers, encryptionKeys]) {
      expect(ring.map(({ version }) => version)).toEqual([1]);
      expect(ring[0]?.secret).toHaveLength(32);
    }
    expect(parseSigningKeys(signingKeysPem)).toHaveLength(1);
    const issuerKey = createPrivateKey(issuerKeyPem);
    expect(issuerKey.asymmetricKeyType).toBe('rsa');
    expect(issuerKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
  });

  it('returns the same ones from then on', async () => {
    expect(await loadDevelopmentSecrets(home)).toEqual(await loadDevelopmentSecrets(home));
  });

  it('returns the same ones to simultaneous first callers, and leaves only the two files', async () => {
    const loaded = await Promise.all(Array.from({ length: 5 }, () => loadDevelopmentSecrets(home)));
    for (const secrets of loaded) expect(secrets).toEqual(loaded[0]);
    expect(await readdir(home)).toEqual(['encryption-keys.json', 'secrets.json']);
  });

  it("protects them from other users of the machine: files are 0600, and a new folder can't be listed or written by others", async () => {
    await loadDevelopmentSecrets(home);
    for (const file of await readdir(home)) expect(await modeOf(path.join(home, file))).toBe(0o600);
    // As root, the embedded Postgres runs as another user, who must be able to reach its data below.
    expect(await modeOf(home)).toBe(process.getuid?.() === 0 ? 0o711 : 0o700);
  });

  it('keeps the mode of an existing folder', async () => {
    await mkdir(home);
    await chmod(home, 0o750);
    await loadDevelopmentSecrets(home);
    expect(await modeOf(home)).toBe(0o750);
    expect(await modeOf(path.join(home, 'secrets.json'))).toBe(0o600);
  });

  it('adds an encryption key to an older home without one, and leaves the rest', async () => {
    const before = await loadDevelopmentSecrets(home);
    await rm(path.join(home, 'encryption-keys.json'));
    const { encryptionKeys, ...rest } = await loadDevelopmentSecrets(home);
    expect(rest).toEqual({ ...before, encryptionKeys: undefined });
    expect(encryptionKeys).not.toEqual(before.encryptionKeys);
  });

  it('refuses malformed encryption keys, and does not overwrite them', async () => {
    await loadDevelopmentSecrets(home);
    const file = path.join(home, 'encryption-keys.json');
    await writeFile(file, '{"encryptionKeys":[{"version":1,"secret":"AAAA"}]}');
    await expect(loadDevelopmentSecrets(home)).rejects.toThrow(
      /encryption-keys\.json does not hold development secrets/,
    );
  });

  it.each<[string, string]>([
    ['an empty file', ''],
    ['a text that is not JSON', '{'],
    ['JSON of another kind', '{"peppers":[]}'],
    [
      'a pepper that is too short',
      '{"peppers":[{"version":1,"secret":"AAAA"}],"signingKeysPem":"x","issuerKeyPem":"x"}',
    ],
  ])('refuses %s in one sentence, and does not overwrite it', async (_what, content) => {
    await mkdir(home);
    const file = path.join(home, 'secrets.json');
    await writeFile(file, content);
    await expect(loadDevelopmentSecrets(home)).rejects.toThrow(
      /^\S+secrets\.json does not hold development secrets; [^\n]+\.$/,
    );
    expect(await readFile(file, 'utf8')).toBe(content);
  });
});
