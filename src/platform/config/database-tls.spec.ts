import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { testEnvironment } from '../../../test/support/settings.js';
import { loadSettings } from './load-settings.js';

const ADDRESS = 'postgres://gatehouse:secret@db.example/gatehouse';
const VARIABLES = ['DATABASE_URL', 'DATABASE_APP_URL', 'DATABASE_DIRECT_URL', 'DATABASE_BACKUP_URL'];

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-authority-'));
  file = path.join(folder, 'ca.pem');
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\n');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const load = (env: Record<string, string>): ReturnType<typeof loadSettings>['settings'] =>
  loadSettings({ ...testEnvironment(), ...env }).settings;

it.each(
  VARIABLES.flatMap((variable) =>
    ['sslmode=require', 'sslmode=prefer', 'sslmode=allow', 'sslmode=verify-ca', 'sslmode=no-verify', 'ssl=true'].map(
      (asked) => [variable, asked],
    ),
  ),
)('%s with %s, which would not verify the server, is refused without showing the address', (variable, asked) => {
  const problem = (): unknown => load({ [variable]: `${ADDRESS}?${asked}` });
  expect(problem).toThrow(
    `${variable} has ${asked.replace('=true', '')}, which Gatehouse does not take: write sslmode=verify-full`,
  );
  expect(problem).not.toThrow('secret');
});

it('an authority applies to each address, except one that names another', () => {
  const { databaseUrl, databaseAppUrl, databaseDirectUrl } = load({
    DATABASE_CA_FILE: file,
    DATABASE_URL: ADDRESS,
    DATABASE_APP_URL: `${ADDRESS}?pgbouncer=true&sslmode=disable`,
    DATABASE_DIRECT_URL: `${ADDRESS}?sslmode=verify-full&sslrootcert=/own.pem`,
  });
  const verified = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(file)}`;
  expect(databaseUrl).toBe(`${ADDRESS}${verified}`);
  expect(databaseAppUrl).toBe(`${ADDRESS}?pgbouncer=true&sslmode=disable`);
  expect(databaseDirectUrl).toBe(`${ADDRESS}?sslmode=verify-full&sslrootcert=%2Fown.pem`);
});

it('a missing file, or one without a certificate, is named', () => {
  for (const wrong of [path.join(folder, 'missing.pem'), folder, 'package.json'])
    expect(() => load({ DATABASE_CA_FILE: wrong })).toThrow('DATABASE_CA_FILE must be the path of a PEM file');
});
