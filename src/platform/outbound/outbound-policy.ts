import { isIP } from 'node:net';
import type { Settings } from '../config/index.js';
import { invalidField } from '../errors/index.js';
import { AddressPolicy } from './outbound-address.js';

const MAX_LENGTH = 2048;

/** This machine, as a development service may reach it without a setting. */
const LOOPBACK_CIDRS = ['127.0.0.0/8', '::1/128'];
const LOOPBACK_HOST = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

/** Names that standards keep for one's own machine or network: RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`. */
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

type Judgement = { readonly url: URL } | { readonly refusal: string };

/**
 * The rules for URLs that a tenant chose, as far as the text alone can tell. Names are judged by where they lead when a
 * socket connects; this says what can be said at once, so that a user who types an impossible URL hears of it.
 *
 * The text must mean the same to every reader: what WHATWG's parser repairs (spaces, backslashes, missing slashes, an `@`
 * before the host) is refused, since a person who looks at it may take another host for the one that we would call.
 */
export class TenantUrlPolicy {
  readonly addresses: AddressPolicy;
  private readonly plainHttp: boolean;

  /** Where nothing is said it is production, and no range is allowed. */
  constructor(settings: Partial<Pick<Settings, 'mode' | 'host' | 'outboundAllowCidrs'>>) {
    const { mode, host = '', outboundAllowCidrs = [] } = settings;
    // Who can reach a service that listens on loopback reaches what else does so without its help.
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
    const refusal = this.refusalOfHost(url.hostname);
    return refusal === null ? { url } : { refusal };
  }

  /** @param hostname As the URL parser left it: decimal, hexadecimal, octal and full-width addresses are dotted by now. */
  private refusalOfHost(hostname: string): string | null {
    const address = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(address) !== 0) {
      return this.addresses.allows(address)
        ? null
        : 'must not resolve to a private or reserved address; the operator can allow ranges with OUTBOUND_ALLOW_CIDRS';
    }
    const name = hostname.replace(/\.$/, '');
    if (name.split('.').includes('')) return 'must have a host';
    // Where the operator allows private ranges, such names may lead there; what they lead to is still judged.
    const isPrivate = !name.includes('.') || PRIVATE_NAME.test(name);
    return isPrivate && !this.addresses.hasExceptions
      ? 'must have a public host name; the operator can allow private ranges with OUTBOUND_ALLOW_CIDRS'
      : null;
  }
}
