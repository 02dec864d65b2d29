/** X.509 certificates for one run: an authority of the test's own, and a server certificate that it signed. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import net from 'node:net';

export interface ServerCertificate {
  /** All three are PEM. */
  readonly key: string;
  readonly cert: string;
  /** The certificate of the authority that signed it. */
  readonly ca: string;
}

const ECDSA_WITH_SHA256 = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'));
const CERTIFICATE_AUTHORITY = extension('551d13', der(0x30, der(0x01, Buffer.of(255))), true);

/** A certificate for some host names and addresses, by a new authority. */
export function serverCertificate(hosts: readonly string[]): ServerCertificate {
  const authority = newKeyPair();
  const server = newKeyPair();
  const authorityName = named('Gatehouse tests authority');
  const names = hosts.map((host) => (net.isIPv4(host) ? der(0x87, ipv4(host)) : der(0x82, Buffer.from(host))));
  const ca = certificate(
    authorityName,
    authority.publicKey,
    CERTIFICATE_AUTHORITY,
    authorityName,
    authority.privateKey,
  );
  const alternatives = extension('551d11', der(0x30, ...names));
  const cert = certificate(
    named('Gatehouse tests'),
    server.publicKey,
    alternatives,
    authorityName,
    authority.privateKey,
  );
  return { key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert, ca };
}

function newKeyPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function certificate(
  subject: Buffer,
  key: KeyObject,
  extensions: Buffer,
  issuer: Buffer,
  issuerKey: KeyObject,
): string {
  const serial = Buffer.concat([Buffer.of(1), randomBytes(8)]);
  const content = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    issuer,
    der(0x30, utcTime(Date.now() - 3_600_000), utcTime(Date.now() + 24 * 3_600_000)),
    subject,
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, extensions)),
  );
  const signature = der(0x03, Buffer.of(0), sign('sha256', content, issuerKey));
  const base64 = der(0x30, content, ECDSA_WITH_SHA256, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
}

/** A distinguished name with only a common name. */
function named(name: string): Buffer {
  const commonName = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(name)));
  return der(0x30, der(0x31, commonName));
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  const flag = critical ? [der(0x01, Buffer.of(255))] : [];
  return der(0x30, der(0x06, Buffer.from(oid, 'hex')), ...flag, der(0x04, value));
}

function ipv4(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

function utcTime(ms: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...head), content]);
}
