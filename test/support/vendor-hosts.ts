/** Hosts of the internet whose names lead to stand-ins on loopback, by TLS, for as long as a spec runs. */
import tls from 'node:tls';
import { serverCertificate } from './certificates.js';
import { WireUpstream, type Answerer } from './wire-upstream.js';

type Connect = (options: tls.ConnectionOptions) => tls.TLSSocket;

export class VendorHosts {
  private constructor(
    private readonly upstreams: ReadonlyMap<string, WireUpstream>,
    private readonly formerConnect: Connect,
  ) {}

  /** Until `close`, this process's connections to these hosts lead to a stand-in each; others are unchanged. */
  static async start(answerers: Readonly<Record<string, Answerer>>): Promise<VendorHosts> {
    const certificate = serverCertificate(Object.keys(answerers));
    const upstreams = new Map<string, WireUpstream>();
    for (const [host, says] of Object.entries(answerers))
      upstreams.set(host, await WireUpstream.start(says, certificate));
    const former = tls.connect as Connect;
    const connect: Connect = (options) => {
      const upstream = upstreams.get(options.host ?? '');
      if (upstream === undefined || Number(options.port) !== 443) return former(options);
      return former({ ...options, host: '127.0.0.1', port: upstream.port, ca: certificate.ca });
    };
    Object.assign(tls, { connect });
    return new VendorHosts(upstreams, former);
  }

  at(host: string): WireUpstream {
    const upstream = this.upstreams.get(host);
    if (upstream === undefined) throw new Error(`Nothing stands in for ${host}.`);
    return upstream;
  }

  /** The requests at each host that got any. */
  get requests(): Record<string, WireUpstream['requests']> {
    return Object.fromEntries(
      [...this.upstreams].flatMap(([host, { requests }]) => (requests.length === 0 ? [] : [[host, requests]])),
    );
  }

  reset(): void {
    for (const upstream of this.upstreams.values()) upstream.reset();
  }

  async close(): Promise<void> {
    Object.assign(tls, { connect: this.formerConnect });
    await Promise.all([...this.upstreams.values()].map((upstream) => upstream.close()));
  }
}
