// Two gateways of the bench's tenant: one that asks its provider each time, and one that has kept the answer.
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The options of a gateway that the bench makes calls to.
 * @typedef {{ url: string, headers: Record<string, string> }} Gateway
 */

/**
 * @param {import('./ring.mjs').Target} side
 * @param {object} wishes
 * @returns {Promise<Gateway>}
 */
async function makeGateway(side, wishes) {
  const answer = await fetch(new URL('/api/v1/gateways/create', side.url), {
    method: 'POST',
    headers: side.headers,
    body: JSON.stringify(wishes),
  });
  if (!answer.ok) throw new Error(`no gateway was made: ${answer.status} ${await answer.text()}`);
  const { gateway, token } = /** @type {{ gateway: { id: string }, token: string }} */ (await answer.json());
  const url = new URL(`/gateways/${gateway.id}/v1/chat/completions`, side.url).href;
  return { url, headers: { authorization: `Bearer ${token}` } };
}

/**
 * Asks until the answer is in the cache: it is stored only after it has gone out.
 * @param {Gateway} gateway
 * @param {string} body
 */
async function keepAnswer({ url, headers }, body) {
  for (let tries = 0; tries < 100; tries += 1) {
    const asked = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body };
    const answer = await fetch(url, asked);
    await answer.text();
    if (answer.headers.get('x-gatehouse-cache') === 'HIT') return;
    await sleep(50);
  }
  throw new Error('the gateway keeps no answer');
}

/**
 * @param {{ side: import('./ring.mjs').Target, upstreamUrl: string, model: string, body: string }} given
 * @returns {Promise<{ plain: Gateway, keeping: Gateway }>}
 */
export async function makeGateways({ side, upstreamUrl, model, body }) {
  const provider = {
    ...{ provider: 'openai_compatible', endpoint: `${upstreamUrl}/v1`, models: [model] },
    api_key: side.upstreamKey.replace(/^Bearer /, ''),
  };
  const wishes = { providers: [provider] };
  const plain = await makeGateway(side, { ...wishes, name: 'plain' });
  const keeping = await makeGateway(side, { ...wishes, name: 'keeping', cache: { ttl_seconds: 172_800 } });
  await keepAnswer(keeping, body);
  return { plain, keeping };
}
