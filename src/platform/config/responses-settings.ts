import { z } from 'zod';
import { group } from './setting-definition.js';

const providers = group('Providers').define;

/** What the operator says of the Responses API, since no server says it. */
export const RESPONSES_SETTINGS = {
  openaiResponses: providers(
    'OPENAI_RESPONSES',
    z.enum(['auto', 'on', 'off']),
    "Whether that server has the Responses API: `auto` says so of OpenAI's own alone. Where it has not, `/v1/responses` is translated to chat completions.",
    { fallback: 'auto' },
  ),
};
