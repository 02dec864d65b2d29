/** A server with OpenAI's Responses API that stores responses, and returns or deletes them by their ids. */
import { response, responseEvents } from './openai-responses.js';
import { errorBody } from './openai-upstream.js';
import { jsonAnswer, type Answerer } from './wire-upstream.js';

interface Asked {
  readonly model: string;
  readonly stream?: boolean;
  readonly store?: boolean;
  readonly previous_response_id?: string;
}

/** @param name in its ids that distinguishes them from another server's */
export function keepingUpstream(name: string): Answerer {
  const kept = new Map<string, object>();
  let made = 0;
  return ({ method, path, body }) => {
    const id = /^\/v1\/responses\/([^?]+)/.exec(path)?.[1];
    if (path === '/v1/models') return jsonAnswer({ object: 'list', data: [{ id: 'gpt-4o-mini', object: 'model' }] });
    if (id === undefined) {
      const { model, stream, store, previous_response_id: previous } = body as unknown as Asked;
      if (previous !== undefined && !kept.has(previous)) return missing(previous);
      made += 1;
      const answer = { ...response({ model, id: `resp_${name}_${made}` }), previous_response_id: previous ?? null };
      if (store !== false) kept.set(`resp_${name}_${made}`, answer);
      if (stream !== true) return jsonAnswer(answer);
      const chunks = responseEvents({ model, id: `resp_${name}_${made}` });
      return { headers: { 'content-type': 'text/event-stream' }, chunks };
    }
    const found = kept.get(id);
    if (found === undefined) return missing(id);
    if (method === 'GET') return jsonAnswer(found);
    kept.delete(id);
    return jsonAnswer({ id, object: 'response.deleted', deleted: true });
  };
}

function missing(id: string): ReturnType<Answerer> {
  return jsonAnswer(errorBody(`Response with id '${id}' not found.`, 'invalid_request_error'), 404);
}
