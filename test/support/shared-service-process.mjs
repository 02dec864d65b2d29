// One service of the build for all specs of one Jest worker that need no special settings (shared-service.ts). It reaches the
// stand-ins for Google, the issuer and the provider through relays of its own, which lead to those of the running spec. The
// spec sends their ports on a socket in the run's folder.
import 'reflect-metadata';
import { rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { createApplication } from '../../dist/app/application.js';
import { productionParts } from '../../dist/app/production-parts.js';
import { PlatformProviderTenants } from '../../dist/llm/index.js';
import { loadSettings } from '../../dist/platform/config/index.js';
import { logger } from '../../dist/platform/logging/index.js';

logger.level = 'silent';

/** `luggage` is the first spec's data for later ones: databases and keys. */
const { socketPath, accountFile, account, authority, environment, luggage } = JSON.parse(process.argv[2]);
writeFileSync(accountFile, JSON.stringify(account), { mode: 0o600 });

/** Accepts connections on a fixed port, and forwards each to the port that is set at the time. */
class Relay {
  target = 0;
  server = net.createServer((client) => {
    const inner = net.connect(this.target, '127.0.0.1');
    client.pipe(inner).pipe(client);
    for (const [one, other] of [
      [client, inner],
      [inner, client],
    ])
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
  });

  get port() {
    return this.server.address().port;
  }
}

const relays = { issuer: new Relay(), upstream: new Relay(), google: new Relay() };
for (const { server } of Object.values(relays)) await listening(server, { port: 0, host: '127.0.0.1' });

const agent = new https.Agent();
agent.createConnection = ({ host, servername }) =>
  tls.connect({ host: '127.0.0.1', port: relays.google.port, servername: servername || host, ca: authority });
const { settings } = loadSettings({
  ...environment,
  FIREBASE_JWKS_URL: `http://127.0.0.1:${relays.issuer.port}/jwks.json`,
  FIREBASE_SERVICE_ACCOUNT: accountFile,
  OPENAI_BASE_URL: `http://127.0.0.1:${relays.upstream.port}/v1`,
});
const app = await createApplication(settings, productionParts(settings, { agent }));
await app.listen(0, '127.0.0.1');

/** The requests of a spec to this process, by method. */
const REQUESTS = {
  /** A spec begins: its stand-ins replace the earlier ones. */
  PUT(ports) {
    for (const [name, port] of Object.entries(ports)) relays[name].target = port;
    return { port: app.getHttpServer().address().port, luggage };
  },
  /** A tenant may spend the platform's own provider credentials. */
  POST({ tenantId }) {
    app.get(PlatformProviderTenants).allow(tenantId);
    return {};
  },
  /** The run has ended. */
  DELETE() {
    process.exit(0);
  },
};

const control = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const answer = REQUESTS[request.method](JSON.parse(Buffer.concat(chunks).toString() || '{}'));
  response.end(JSON.stringify(answer));
});
// The socket of a service of this worker that ended by itself.
rmSync(socketPath, { force: true });
await listening(control, { path: socketPath });

// The worker has ended, in any way.
process.on('disconnect', () => process.exit(0));
process.send('ready');

function listening(server, where) {
  return new Promise((resolve, reject) => server.once('error', reject).listen(where, resolve));
}
