/** Connections that fail for their encryption, in words that name the setting. */
import type { Settings } from '../config/index.js';
import { reasonOf } from './migration.error.js';

/** What Node calls a certificate that it does not believe. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

/** Codes of Node's and of OpenSSL's. */
const TLS_CODE = /^(?:CERT_|ERR_TLS_|ERR_SSL_|EPROTO$|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/;
/** The driver says these without a code. */
const PLAIN_SERVER = 'The server does not support SSL connections';
const NO_TLS = new Set([PLAIN_SERVER, 'There was an error establishing an SSL connection']);

export function isTlsError(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? TLS_CODE.test(code) : NO_TLS.has(String(message));
}

/**
 * What is wrong with it and what to do, to stand behind the database's name; undefined: the connection failed for something else.
 *
 * @param setting which of the addresses it is
 */
export function tlsRefusal(error: unknown, setting: string): string | undefined {
  const { code, message } = error as { code?: string; message?: string };
  if (code === '28000' && /no encryption$/.test(message ?? '')) {
    return `takes encrypted connections alone: append ?sslmode=verify-full to ${setting}, and set DATABASE_CA_FILE where its authority is your own`;
  }
  if (!isTlsError(error)) return undefined;
  const reason = reasonOf(error);
  if (message === PLAIN_SERVER) {
    return `does not take encrypted connections, which ${setting} or DATABASE_CA_FILE asks for: turn on ssl in Postgres, or append ?sslmode=disable to ${setting}`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `shows a certificate for another host (${reason}): write the host in ${setting} as the certificate has it`;
  }
  if (code !== undefined && UNTRUSTED.has(code)) {
    return `shows a certificate that no trusted authority signed (${reason}): set DATABASE_CA_FILE to the PEM file of the authority that did; ${setting} leads there`;
  }
  return `can't be reached by TLS (${reason}); check its certificate, ${setting} and DATABASE_CA_FILE`;
}

/** The setting whose address the service's own statements use. */
export const appSetting = ({ databaseAppUrl }: Pick<Settings, 'databaseAppUrl'>): string =>
  databaseAppUrl === undefined ? 'DATABASE_URL' : 'DATABASE_APP_URL';

/** The same for its listener. */
export const directSetting = (settings: Pick<Settings, 'databaseAppUrl' | 'databaseDirectUrl'>): string =>
  settings.databaseDirectUrl === undefined ? appSetting(settings) : 'DATABASE_DIRECT_URL';
