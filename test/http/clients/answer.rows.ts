/** Answers in the shapes that providers really give them. */
import {
  UPSTREAM_MODEL,
  completion,
  eventOf,
  streamPieces,
  usageChunk,
  usageOf,
  DONE,
  type UpstreamAnswer,
} from '../../support/openai-upstream.js';
import { charged, type Form, type Row } from './row.js';

type Fields = object;

const PIECES = streamPieces();
const USAGE = usageChunk(usageOf(11, 7));

/** The same bytes, whatever the form of the request. */
const sse = (pieces: readonly unknown[], more: object = {}): (() => readonly UpstreamAnswer[]) => {
  const answer: UpstreamAnswer = { kind: 'stream', pieces, ...more };
  return () => [answer];
};
const json = (body: object, headers: Record<string, string> = {}): UpstreamAnswer => ({ kind: 'body', body, headers });

/** Answers in the requested form, with such a report at the end. */
const reporting =
  (usage: Fields, model = UPSTREAM_MODEL): Row['answers'] =>
  (form) => [
    form === 'JSON'
      ? json({ ...completion({ model, usage: null }), usage })
      : { kind: 'stream', pieces: [...streamPieces({ model }), { ...usageChunk(), model, usage }] },
  ];

const whole = { text: 'Hello from the upstream.' };

/** Each of these also works without the service, and must come through it unchanged. */
export const ORDINARY: readonly Row[] = [
  { what: 'text', answers: reporting(usageOf(9, 12)), gets: whole, charged: charged(21) },
  {
    what: 'the call of a tool',
    asks: {
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells the weather.',
            parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          },
        },
      ],
    },
    answers: (form) => [toolCall(form)],
    gets: { text: '', toolCalls: [{ name: 'weather', arguments: { city: 'Köln' } }] },
    charged: charged(18),
  },
];

function toolCall(form: Form): UpstreamAnswer {
  const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Köln"}' } };
  if (form === 'JSON') {
    const message = { role: 'assistant', content: null, tool_calls: [call] };
    return json({
      ...completion({ usage: usageOf(11, 7) }),
      choices: [{ index: 0, finish_reason: 'tool_calls', message }],
    });
  }
  const chunk = (delta: object, finish: string | null = null): object => ({
    ...PIECES[0],
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const part = (fields: object): object => chunk({ tool_calls: [{ index: 0, ...fields }] });
  return {
    kind: 'stream',
    pieces: [
      chunk({ role: 'assistant', content: null }),
      part({ ...call, function: { name: 'weather', arguments: '' } }),
      part({ function: { arguments: '{"city"' } }),
      part({ function: { arguments: ':"Köln"}' } }),
      chunk({}, 'tool_calls'),
      USAGE,
    ],
  };
}

/** A stream that ends with an error, which stands beside such fields. */
function brokenOff(what: string, beside: Fields): Row {
  const error = { message: 'overloaded', type: 'server_error' };
  return {
    what,
    answers: (form) => [
      form === 'JSON'
        ? json(completion({ usage: null }))
        : { kind: 'stream', pieces: [...PIECES.slice(0, 4), { ...PIECES[0], choices: undefined, ...beside, error }] },
    ],
    gets: {
      JSON: whole,
      stream: { text: 'Hello from the', error: { status: null, message: 'overloaded' } },
    },
    charged: charged('estimate'),
  };
}

const IMAGE = `data:image/png;base64,${'A'.repeat(1_600_000)}`;

export const ANSWERS: readonly Row[] = [
  {
    what: 'a stream without its end mark',
    answers: sse([...PIECES, USAGE], { done: false }),
    gets: whole,
    charged: charged(18),
  },
  {
    what: 'a stream without usage and end mark',
    answers: sse(PIECES, { done: false }),
    gets: whole,
    charged: charged('estimate'),
  },
  {
    what: 'a stream that ends before a finish reason',
    answers: sse(PIECES.slice(0, 4), { done: false }),
    gets: {
      JSON: { error: { status: 502, message: 'broke off' } },
      stream: { text: 'Hello from the', error: { status: null, message: 'broke off' } },
    },
    charged: charged('estimate'),
  },
  {
    what: 'blanks before the end mark',
    answers: sse([...PIECES, USAGE, 'data: \t [DONE]\n\n'], { done: false }),
    gets: whole,
    charged: charged(18),
  },
  {
    what: 'a comment after the end mark',
    answers: sse([...PIECES, USAGE, DONE, ': cost=0.0001\n\n'], { done: false }),
    gets: whole,
    charged: charged(18),
  },
  {
    what: 'a reset after the end mark',
    answers: sse([...PIECES, USAGE, DONE, 'never sent'], { breakAfter: PIECES.length + 2 }),
    gets: whole,
    charged: charged(18),
  },
  {
    what: 'reasoning beside the reported output',
    answers: reporting({ ...usageOf(9, 664), total_tokens: 1994 }),
    gets: whole,
    charged: charged(1994),
  },
  {
    what: 'reasoning beside the reported output, with its details',
    answers: reporting({ ...usageOf(36, 10), total_tokens: 736, completion_tokens_details: { reasoning_tokens: 690 } }),
    gets: whole,
    charged: charged(736),
  },
  {
    what: 'a report by the names of the Responses API, in strings',
    answers: reporting({ input_tokens: '9', output_tokens: '12' }),
    gets: whole,
    charged: charged(21),
  },
  {
    what: 'a report of the total alone',
    answers: reporting({ total_tokens: 40 }),
    gets: whole,
    charged: charged(40),
  },
  ...[
    ['an error in the middle of a stream that still comes to its end mark', {}],
    ['an error beside no choice in the middle of a stream', { choices: [] }],
    [
      'an error beside a choice in the middle of a stream',
      { choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }] },
    ],
  ].map(([what, beside]) => brokenOff(what as string, beside as Fields)),
  {
    what: 'cache hits in DeepSeek’s words',
    asks: { model: 'deepseek-chat' },
    answers: reporting({ ...usageOf(1_000_000, 0), prompt_cache_hit_tokens: 900_000 }, 'deepseek-chat'),
    gets: whole,
    charged: { ...charged(1_000_000), costMicros: 53_200 },
  },
  {
    what: 'usage inside a choice',
    answers: (form) => [inChoice(form, usageOf(1100, 700))],
    gets: whole,
    charged: charged(1800),
  },
  {
    what: 'usage beside a picture of 1.6 MB',
    answers: (form) => [picture(form)],
    gets: { text: 'Here you are.' },
    charged: charged(5260),
  },
  {
    what: 'usage in pieces',
    answers: sse([
      ...PIECES,
      { ...USAGE, usage: { prompt_tokens: 1100 } },
      { ...USAGE, usage: { completion_tokens: 700 } },
    ]),
    gets: whole,
    charged: charged(1800),
  },
  {
    what: 'usage, and zeros after it',
    answers: sse([...PIECES, usageChunk(usageOf(1100, 700)), usageChunk(usageOf(0, 0))]),
    gets: whole,
    charged: charged(1800),
  },
  ...['Text/Event-Stream; charset=UTF-8', 'application/json'].map((type) => ({
    what: `a stream as ${type}`,
    answers: sse([...PIECES, USAGE], { headers: { 'content-type': type } }),
    gets: whole,
    charged: charged(18),
  })),
  {
    what: 'a stream, whatever was asked for',
    answers: sse([...PIECES, USAGE]),
    gets: whole,
    charged: charged(18),
  },
  {
    what: 'JSON, whatever was asked for',
    answers: () => [json(completion({ usage: usageOf(11, 7) }))],
    gets: whole,
    charged: charged(18),
  },
  ...['openai/gpt-oss-120b:nitro', 'my-azure-deployment'].map((model) => ({
    what: `the unlisted model ${model}`,
    asks: { model },
    answers: reporting(usageOf(11, 7), model),
    gets: whole,
    charged: charged(18),
  })),
];

function inChoice(form: Form, usage: object): UpstreamAnswer {
  if (form === 'stream') {
    const [last] = PIECES.slice(-1);
    const choices = [{ index: 0, delta: {}, finish_reason: 'stop', usage }];
    return { kind: 'stream', pieces: [...PIECES.slice(0, -1), { ...last, choices }] };
  }
  const { choices, ...rest } = completion({ usage: null }) as { readonly choices: readonly object[] };
  return json({ ...rest, choices: choices.map((choice) => ({ ...choice, usage })) });
}

function picture(form: Form): UpstreamAnswer {
  const images = [{ type: 'image_url', image_url: { url: IMAGE } }];
  const usage = usageOf(1100, 4160);
  if (form === 'JSON') {
    const message = { role: 'assistant', content: 'Here you are.', images };
    return json({ ...completion({ usage }), choices: [{ index: 0, message, finish_reason: 'stop' }] });
  }
  const [first, second] = streamPieces({ words: ['Here you are.'] });
  const event = { ...first, choices: [{ index: 0, delta: { images }, finish_reason: 'stop' }], usage };
  return { kind: 'stream', pieces: [first, second, eventOf(event)] };
}
