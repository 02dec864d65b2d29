import { isIP } from 'node:net';
import type { Settings } from '../config/index.js';
import { invalidField } from '../errors/index.js';
import { AddressPolicy } from './outbound-address.js';

const MAX_LENGTH = 2048;

/** This machine: a development service may reach it without a setting. */
const LOOPBACK_CIDRS = ['127.0.0.0/8', '::1/128'];
const LOOPBACK_HOST = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

/** Names that standards reserve for the own machine or network: RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`. */
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

type Judgement = { readonly url: URL } | { readonly refusal: string };

/**
 * The rules for URLs that a tenant chose, as far as their text tells. The addresses behind a name are judged when a socket
 * connects; this check tells a user at once of an impossible URL.
 *
 * The text must mean the same to every reader. So a text that WHATWG's parser would repair (spaces, backslashes, missing
 * slashes, an `@` before the host) is refused: a person could take another host for the one that would be called.
 */
export class TenantUrlPolicy {
  readonly addresses: AddressPolicy;
  private readonly plainHttp: boolean;

  /** Without a mode it is production, and without ranges no private range is allowed. */
  constructor(settings: Partial<Pick<Settings, 'mode' | 'host' | 'outboundAllowCidrs'>>) {
    const { mode, host = '', outboundAllowCidrs = [] } = settings;
    // A caller who can reach a loopback service can reach the machine's other loopback services without its help.
    const isOnLaptop = mode === 'development' && LOOPBACK_HOST.test(host);
    this.addresses = new AddressPolicy([...outboundAllowCidrs, ...(isOnLaptop ? LOOPBACK_CIDRS : [])]);
    this.plainHttp = mode === 'development';
  }

  /** @throws Fault naming the field. */
  assertAllowed(text: string, field: string): URL {
    const judgement = this.judge(text);
    if ('refusal' in judgement) throw invalidField(field, judgement.refusal);
    return judgement.url;
  }

  judge(text: string): Judgement {
    if (text.length > MAX_LENGTH) return { refusal: `must be at most ${MAX_LENGTH} characters` };
    if (!text.isWellFormed() || /[\p{Cc}\p{Zs}\\]/u.test(text) || !URL.canParse(text))
      return { refusal: 'must be a URL' };
    if (!(this.plainHttp ? /^https?:\/\/[^/]/i : /^https:\/\/[^/]/i).test(text)) {
      return { refusal: this.plainHttp ? 'must begin with https:// or http://' : 'must begin with https://' };
    }
    if (/^[^/]*\/\/[^/?#]*@/.test(text)) return { refusal: 'must not hold a user name or a password' };
    if (text.includes('#')) return { refusal: 'must not have a fragment' };
    const url = new URL(text);
    // No server listens there.
    if (url.port === '0') return { refusal: 'must not have the port 0' };
    const refusal = this.refusalOfHost(url.hostname);
    return refusal === null ? { url } : { refusal };
  }

  /**
   * @param hostname From the URL parser, which has rewritten decimal, hexadecimal, octal and
   *   full-width addresses as dotted ones.
   */
  private refusalOfHost(hostname: string): string | null {
    const address = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(address) !== 0) {
      return this.addresses.allows(address)
        ? null
        : 'must not resolve to a private or reserved address; the operator can allow ranges with OUTBOUND_ALLOW_CIDRS';
    }
    const name = hostname.replace(/\.$/, '');
    if (name.split('.').includes('')) return 'must have a host';
    // Where the operator allows private ranges, such names may lead there; their addresses are still judged.
    const isPrivate = !name.includes('.') || PRIVATE_NAME.test(name);
    return isPrivate && !this.addresses.hasExceptions
      ? 'must have a public host name; the operator can allow private ranges with OUTBOUND_ALLOW_CIDRS'
      : null;
  }
}
