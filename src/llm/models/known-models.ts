import type { TokenFamily } from '../../platform/config/index.js';

/** Dollars for a million tokens, as published: input, cached input, output. */
export type PublishedPrice = readonly [input: string, cachedInput: string, output: string];

/** A model as its provider describes it. */
export interface KnownModel {
  readonly id: string;
  readonly family: TokenFamily;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  readonly outputField?: 'max_tokens' | 'max_completion_tokens';
  readonly price?: PublishedPrice;
  /** The price of calls whose prompt is longer than so many tokens. */
  readonly longPrompts?: { readonly above: number; readonly price: PublishedPrice };
  readonly imageTokens?: { readonly most: number; readonly low: number };
  readonly templateTokens?: number;
  readonly limitMustBeWritten?: true;
}

/** Models whose figures were read in one place at one time. */
export interface PricePage {
  readonly asOf: string;
  readonly source: string;
  readonly models: readonly KnownModel[];
}

/** OpenAI's own servers put three tokens before the answer, and no text of theirs. */
const OPENAI = { family: 'o200k', outputField: 'max_completion_tokens', templateTokens: 16 } as const;
const OLD_OPENAI = { family: 'cl100k', outputField: 'max_completion_tokens' } as const;
/** Whether these still read o200k's tokens is not published. */
const NEW_OPENAI = { family: 'unknown', outputField: 'max_completion_tokens' } as const;
const CLAUDE = { family: 'claude' } as const;
const GEMINI = { family: 'gemini' } as const;
const TILES = { most: 1_445, low: 85 };
const DEAR_TILES = { most: 48_169, low: 2_833 };
const LONG_OPENAI = 272_000;

const M = 1_000_000;
const OPENAI_CONTEXT = 1_050_000;

/** Where OpenAI charges for what it writes into its cache (from GPT-5.6 on), input is priced as if all of it were written. */
export const KNOWN_MODELS: readonly PricePage[] = [
  {
    asOf: '2026-11-18',
    source: 'docs.laozhang.ai, GPT-6.2 announcement, quoting OpenAI; long prompts after docs.litellm.ai, GPT-6',
    models: [
      ...['gpt-6.2-astra'].map((id) => openai6(id, ['10', '0.4', '40'], ['20', '0.8', '60'])),
      ...['gpt-6.2-sol'].map((id) => openai6(id, ['2.5', '0.2', '10'], ['5', '0.4', '15'])),
    ],
  },
  {
    asOf: '2026-10-27',
    source:
      'github.com/TheKrush/PromptFuel, releases 1.0.19 to 1.0.24, and BerriAI/litellm discussion 42523, quoting OpenAI',
    models: [
      openai6('gpt-6-astra', ['12.5', '1', '50'], ['25', '2', '75']),
      openai6('gpt-6-sol', ['2.5', '0.2', '10'], ['5', '0.4', '15']),
      openai6('gpt-6.1-sol', ['2.5', '0.1', '10'], ['5', '0.2', '15']),
      openai6('gpt-6.1-terra', ['1.25', '0.05', '5'], ['2.5', '0.1', '7.5']),
      openai6('gpt-6-luna', ['0.125', '0.01', '0.5'], ['0.25', '0.02', '0.75']),
      openai5('gpt-5.6-sol', ['5', '0.4', '20'], ['10', '0.8', '30']),
      openai5('gpt-5.6-terra', ['2.5', '0.2', '12'], ['5', '0.4', '18']),
      openai5('gpt-5.6-luna', ['0.25', '0.02', '1.2'], ['0.5', '0.04', '1.8']),
    ],
  },
  {
    asOf: '2026-07',
    source: 'github.com/BerriAI/litellm, model_prices_and_context_window.json, quoting OpenAI',
    models: [
      ...['gpt-5.5', 'gpt-5.5-2026-04-23'].map((id) => openai5(id, ['5', '0.5', '30'], ['10', '1', '45'])),
      ...['gpt-5.4', 'gpt-5.4-2026-03-05'].map((id) => openai5(id, ['2.5', '0.25', '15'], ['5', '0.5', '22.5'])),
      ...['gpt-5.4-mini', 'gpt-5.4-mini-2026-03-17'].map((id) => openai5(id, ['0.75', '0.075', '4.5'])),
      ...['gpt-5.4-nano', 'gpt-5.4-nano-2026-03-17'].map((id) => openai5(id, ['0.2', '0.02', '1.25'])),
      {
        id: 'gpt-5.3-chat-latest',
        ...OPENAI,
        contextTokens: 400_000,
        maxOutputTokens: 128_000,
        price: ['1.75', '0.175', '14'],
      },
    ],
  },
  {
    asOf: '2026-01',
    source: 'github.com/RooCodeInc/Roo-Code, packages/types/src/providers/openai.ts, quoting openai.com/api/pricing',
    models: [
      ...['gpt-5.2-2025-12-11', 'gpt-5.2-chat-latest'].map((id) => gpt5(id, ['1.75', '0.175', '14'])),
      ...['gpt-5.1-2025-11-13', 'gpt-5.1-chat-latest', 'gpt-5-2025-08-07', 'gpt-5-chat-latest'].map((id) =>
        gpt5(id, ['1.25', '0.125', '10']),
      ),
      gpt5('gpt-5-mini-2025-08-07', ['0.25', '0.025', '2']),
      gpt5('gpt-5-nano-2025-08-07', ['0.05', '0.005', '0.4']),
      gpt41('gpt-4.1-2025-04-14', ['2', '0.5', '8'], TILES),
      gpt41('gpt-4.1-mini-2025-04-14', ['0.4', '0.1', '1.6']),
      gpt41('gpt-4.1-nano-2025-04-14', ['0.1', '0.025', '0.4']),
      reasoning('o4-mini-2025-04-16', ['1.1', '0.275', '4.4']),
      reasoning('o3-2025-04-16', ['2', '0.5', '8']),
      reasoning('o3-mini-2025-01-31', ['1.1', '0.55', '4.4']),
      reasoning('o1-2024-12-17', ['15', '7.5', '60']),
      gpt4o('gpt-4o-2024-11-20', ['2.5', '1.25', '10'], TILES),
      gpt4o('gpt-4o-2024-08-06', ['2.5', '1.25', '10'], TILES),
      gpt4o('gpt-4o-mini-2024-07-18', ['0.15', '0.075', '0.6'], DEAR_TILES),
    ],
  },
  {
    asOf: '2024-10',
    source: 'openai.com/api/pricing',
    models: [
      { ...gpt4o('gpt-4o-2024-05-13', ['5', '5', '15'], TILES), maxOutputTokens: 4_096 },
      {
        id: 'gpt-4-turbo-2024-04-09',
        ...OLD_OPENAI,
        contextTokens: 128_000,
        maxOutputTokens: 4_096,
        price: ['10', '10', '30'],
        imageTokens: TILES,
      },
      { id: 'gpt-4-0613', ...OLD_OPENAI, contextTokens: 8_192, maxOutputTokens: 8_192, price: ['30', '30', '60'] },
      {
        id: 'gpt-3.5-turbo-0125',
        ...OLD_OPENAI,
        contextTokens: 16_385,
        maxOutputTokens: 4_096,
        price: ['0.5', '0.5', '1.5'],
      },
      {
        id: 'gpt-3.5-turbo-1106',
        ...OLD_OPENAI,
        contextTokens: 16_385,
        maxOutputTokens: 4_096,
        price: ['1', '1', '2'],
      },
    ],
  },
  {
    asOf: '2026-10-16',
    source: 'platform.claude.com/docs, model overviews; cached input after github.com/TheKrush/PromptFuel 1.0.23',
    models: [
      claude('claude-fable-5-1', ['10', '0.25', '50']),
      claude('claude-opus-5-5', ['4', '0.2', '20']),
      claude('claude-sonnet-5-5', ['2', '0.1', '10']),
      {
        ...claude('claude-haiku-5-5', ['0.1', '0.01', '0.5']),
        longPrompts: { above: 100_000, price: ['0.5', '0.05', '2.5'] },
      },
      // What they read from their cache costs a tenth of the input or less; the full price errs on the dear side.
      claude('claude-opus-5', ['5', '5', '25']),
      claude('claude-sonnet-5', ['2', '2', '10']),
      claude('claude-opus-4-6', ['5', '5', '25']),
    ],
  },
  {
    asOf: '2025-12',
    source: 'github.com/RooCodeInc/Roo-Code, packages/types/src/providers/anthropic.ts, quoting docs.anthropic.com',
    models: [
      ...['claude-sonnet-4-5-20250929', 'claude-sonnet-4-20250514'].map((id) => ({
        ...claude(id, ['3', '0.3', '15'] as const, 64_000),
        longPrompts: { above: 200_000, price: ['6', '0.6', '22.5'] as const },
      })),
      claude('claude-opus-4-5-20251101', ['5', '0.5', '25'], 64_000, 200_000),
      claude('claude-opus-4-1-20250805', ['15', '1.5', '75'], 32_000, 200_000),
      claude('claude-opus-4-20250514', ['15', '1.5', '75'], 32_000, 200_000),
      claude('claude-haiku-4-5-20251001', ['1', '0.1', '5'], 64_000, 200_000),
      claude('claude-3-7-sonnet-20250219', ['3', '0.3', '15'], 128_000, 200_000),
      claude('claude-3-5-sonnet-20241022', ['3', '0.3', '15'], 8_192, 200_000),
      claude('claude-3-5-haiku-20241022', ['1', '0.1', '5'], 8_192, 200_000),
      claude('claude-3-haiku-20240307', ['0.25', '0.03', '1.25'], 4_096, 200_000),
    ],
  },
  {
    asOf: '2025-12',
    source: 'github.com/RooCodeInc/Roo-Code, packages/types/src/providers/gemini.ts, quoting ai.google.dev',
    models: [
      { ...gemini('gemini-3-pro-preview', ['2', '2', '12']), longPrompts: { above: 200_000, price: ['4', '4', '18'] } },
      {
        ...gemini('gemini-2.5-pro', ['1.25', '0.31', '10']),
        longPrompts: { above: 200_000, price: ['2.5', '0.625', '15'] },
      },
      gemini('gemini-2.5-flash', ['0.3', '0.075', '2.5']),
      gemini('gemini-2.5-flash-lite', ['0.1', '0.025', '0.4']),
    ],
  },
  {
    asOf: '2025-12',
    source: 'github.com/RooCodeInc/Roo-Code, packages/types/src/providers/mistral.ts, quoting docs.mistral.ai',
    models: [
      mistral('mistral-large-latest', 131_072, ['2', '2', '6']),
      mistral('mistral-medium-latest', 131_072, ['0.4', '0.4', '2']),
      mistral('mistral-small-latest', 131_072, ['0.2', '0.2', '0.6']),
      mistral('magistral-medium-latest', 131_072, ['2', '2', '5']),
      mistral('codestral-latest', 262_144, ['0.3', '0.3', '0.9']),
      mistral('devstral-medium-latest', 262_144, ['0.4', '0.4', '2']),
      mistral('devstral-small-latest', 262_144, ['0.1', '0.1', '0.3']),
      mistral('ministral-8b-latest', 131_072, ['0.1', '0.1', '0.1']),
      mistral('ministral-3b-latest', 131_072, ['0.04', '0.04', '0.04']),
      mistral('pixtral-large-latest', 131_072, ['2', '2', '6']),
    ],
  },
  {
    asOf: '2025-12-09',
    source: 'github.com/RooCodeInc/Roo-Code, packages/types/src/providers/deepseek.ts, quoting api-docs.deepseek.com',
    models: ['deepseek-chat', 'deepseek-reasoner'].map((id) => ({
      id,
      family: 'deepseek' as const,
      contextTokens: 131_072,
      maxOutputTokens: 65_536,
      price: ['0.28', '0.028', '0.42'] as const,
    })),
  },
  {
    // Whoever serves open weights sets their price: the operator writes it down.
    asOf: '2025-12',
    source: 'huggingface.co, model cards',
    models: [
      ...['gpt-oss-120b', 'gpt-oss-20b', 'gpt-oss'].map((id) => open(id, 'o200k', 131_072)),
      ...[
        'llama3.1',
        'llama3.2',
        'llama3.3',
        'llama-3.1-8b-instruct',
        'llama-3.1-70b-instruct',
        'llama-3.3-70b-instruct',
      ].map((id) => open(id, 'llama', 131_072)),
      open('llama3', 'llama', 8_192),
      ...['qwen2.5', 'qwen2.5-coder'].map((id) => open(id, 'qwen', 131_072)),
      ...['qwen3', 'qwen3-coder'].map((id) => open(id, 'qwen', 262_144)),
      ...['mistral', 'mixtral'].map((id) => open(id, 'mistral', 65_536)),
      open('mistral-nemo', 'mistral', 131_072),
      ...['deepseek-r1', 'deepseek-v3'].map((id) => open(id, 'deepseek', 163_840)),
      ...['gemma2', 'gemma3'].map((id) => open(id, 'gemini', 131_072)),
    ],
  },
];

/** Names that lead to one of several models, today this one and tomorrow that. */
export const ALIASES: Readonly<Record<string, readonly string[]>> = {
  'gpt-4o': ['gpt-4o-2024-05-13', 'gpt-4o-2024-08-06', 'gpt-4o-2024-11-20'],
  'gpt-4o-mini': ['gpt-4o-mini-2024-07-18'],
  'gpt-4-turbo': ['gpt-4-turbo-2024-04-09'],
  'gpt-4': ['gpt-4-0613'],
  'gpt-3.5-turbo': ['gpt-3.5-turbo-0125', 'gpt-3.5-turbo-1106'],
  'gpt-4.1': ['gpt-4.1-2025-04-14'],
  'gpt-4.1-mini': ['gpt-4.1-mini-2025-04-14'],
  'gpt-4.1-nano': ['gpt-4.1-nano-2025-04-14'],
  'gpt-5': ['gpt-5-2025-08-07'],
  'gpt-5-mini': ['gpt-5-mini-2025-08-07'],
  'gpt-5-nano': ['gpt-5-nano-2025-08-07'],
  'gpt-5.1': ['gpt-5.1-2025-11-13'],
  'gpt-5.2': ['gpt-5.2-2025-12-11'],
  'gpt-5.6': ['gpt-5.6-sol', 'gpt-5.6-terra', 'gpt-5.6-luna'],
  o1: ['o1-2024-12-17'],
  o3: ['o3-2025-04-16'],
  'o3-mini': ['o3-mini-2025-01-31'],
  'o4-mini': ['o4-mini-2025-04-16'],
  'claude-sonnet-4-5': ['claude-sonnet-4-5-20250929'],
  'claude-sonnet-4-0': ['claude-sonnet-4-20250514'],
  'claude-opus-4-5': ['claude-opus-4-5-20251101'],
  'claude-opus-4-1': ['claude-opus-4-1-20250805'],
  'claude-opus-4-0': ['claude-opus-4-20250514'],
  'claude-haiku-4-5': ['claude-haiku-4-5-20251001'],
  'claude-3-7-sonnet-latest': ['claude-3-7-sonnet-20250219'],
  'claude-3-5-sonnet-latest': ['claude-3-5-sonnet-20241022'],
  'claude-3-5-haiku-latest': ['claude-3-5-haiku-20241022'],
};

function openai6(id: string, price: PublishedPrice, long: PublishedPrice): KnownModel {
  return { ...openai5(id, price, long), ...NEW_OPENAI };
}

function openai5(id: string, price: PublishedPrice, long?: PublishedPrice): KnownModel {
  const model = { id, ...OPENAI, contextTokens: OPENAI_CONTEXT, maxOutputTokens: 128_000, price };
  return long === undefined ? model : { ...model, longPrompts: { above: LONG_OPENAI, price: long } };
}

function gpt5(id: string, price: PublishedPrice): KnownModel {
  return { id, ...OPENAI, contextTokens: 400_000, maxOutputTokens: 128_000, price };
}

function gpt41(id: string, price: PublishedPrice, imageTokens?: KnownModel['imageTokens']): KnownModel {
  const model = { id, ...OPENAI, contextTokens: 1_047_576, maxOutputTokens: 32_768, price };
  return imageTokens === undefined ? model : { ...model, imageTokens };
}

function gpt4o(id: string, price: PublishedPrice, imageTokens: { most: number; low: number }): KnownModel {
  return { id, ...OPENAI, contextTokens: 128_000, maxOutputTokens: 16_384, price, imageTokens };
}

function reasoning(id: string, price: PublishedPrice): KnownModel {
  return { id, ...OPENAI, contextTokens: 200_000, maxOutputTokens: 100_000, price };
}

function claude(id: string, price: PublishedPrice, maxOutputTokens = 128_000, contextTokens = M): KnownModel {
  return { id, ...CLAUDE, contextTokens, maxOutputTokens, price };
}

function gemini(id: string, price: PublishedPrice): KnownModel {
  return { id, ...GEMINI, contextTokens: 1_048_576, maxOutputTokens: 65_536, price };
}

/** Their output has no limit of its own but the context. */
function mistral(id: string, contextTokens: number, price: PublishedPrice): KnownModel {
  return { id, family: 'mistral', contextTokens, maxOutputTokens: contextTokens, price };
}

/** Some servers of open weights (Ollama, llama.cpp) go on past the context where nobody tells them to stop. */
function open(id: string, family: TokenFamily, contextTokens: number): KnownModel {
  return { id, family, contextTokens, maxOutputTokens: contextTokens, limitMustBeWritten: true };
}
