import { loadSettings } from '../../platform/config/index.js';
import { ALIASES, KNOWN_MODELS } from './known-models.js';
import { dearest, KnownModels, type ModelFacts } from './model-facts.js';

const known = (models?: unknown): KnownModels =>
  new KnownModels(loadSettings(models === undefined ? {} : { GATEHOUSE_MODELS: JSON.stringify(models) }).settings);

const OWN = { id: 'own', context_tokens: 1000, max_output_tokens: 100 };

describe('a model that is built in', () => {
  it('has its numbers, with their date and source', () => {
    expect(known().find('gpt-4o-mini-2024-07-18')).toMatchObject({
      family: 'o200k',
      contextTokens: 128_000,
      maxOutputTokens: 16_384,
      outputField: 'max_completion_tokens',
      price: { inputPicoUsd: 150_000n, cachedInputPicoUsd: 75_000n, outputPicoUsd: 600_000n },
    });
    for (const { asOf, source } of KNOWN_MODELS) {
      expect(asOf).toMatch(/^20\d\d-\d\d(?:-\d\d)?$/);
      expect(source).toMatch(/^[a-z.-]+\.[a-z]+/);
    }
  });

  it('is in the list once, and costs no more where it is cached or the prompt is short', () => {
    const ids = KNOWN_MODELS.flatMap(({ models }) => models.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) {
      const { price, maxOutputTokens, contextTokens } = known().find(id)!;
      expect(maxOutputTokens).toBeLessThanOrEqual(contextTokens);
      if (price === null) continue;
      expect(price.cachedInputPicoUsd <= price.inputPicoUsd).toBe(true);
      const { longPrompts: long } = price;
      if (long === undefined) continue;
      expect(long.cachedInputPicoUsd <= long.inputPicoUsd).toBe(true);
      expect(long.inputPicoUsd >= price.inputPicoUsd && long.outputPicoUsd >= price.outputPicoUsd).toBe(true);
      expect(long.cachedInputPicoUsd >= price.cachedInputPicoUsd).toBe(true);
    }
  });

  it.each([
    ['openai/gpt-4o', 'gpt-4o'],
    ['anthropic/claude-opus-4-5', 'claude-opus-4-5'],
    ['models/gemini-2.5-pro', 'gemini-2.5-pro'],
    ['llama3.1:latest', 'llama3.1'],
    ['llama3.1:70b-instruct-q4_K_M', 'llama3.1'],
    ['meta-llama/llama-3.3-70b-instruct', 'llama-3.3-70b-instruct'],
  ])('is found as %s', (name, id) => {
    expect(known().find(name)?.id).toBe(id);
  });

  it.each([
    'gpt-4o-2099-01-01',
    'ft:gpt-4o-2024-08-06:me::1',
    'gpt-4o:extended',
    'evil/gpt-4o',
    'a/openai/gpt-4o',
    '',
    'constructor',
  ])('is not found as %s, whose price may be another', (name) => {
    expect(known().find(name)).toBeNull();
  });

  it('costs nothing where it is the dummy', () => {
    expect(known().find('dummy')).toMatchObject({ price: { inputPicoUsd: 0n, outputPicoUsd: 0n } });
  });
});

describe('an alias', () => {
  it('costs as much as the most expensive of its targets in each respect', () => {
    // gpt-4o-2024-05-13 cost twice as much as the later ones, and had a quarter of their output.
    expect(known().find('gpt-4o')).toMatchObject({
      id: 'gpt-4o',
      maxOutputTokens: 16_384,
      price: { inputPicoUsd: 5_000_000n, cachedInputPicoUsd: 5_000_000n, outputPicoUsd: 15_000_000n, asOf: '2024-10' },
    });
    for (const [alias, targets] of Object.entries(ALIASES)) {
      const facts = known().find(alias)!;
      for (const id of targets) {
        const target = known().find(id)!;
        expect(target.id).toBe(id);
        expect(facts.maxOutputTokens).toBeGreaterThanOrEqual(target.maxOutputTokens);
        expect(facts.price!.inputPicoUsd >= target.price!.inputPicoUsd).toBe(true);
        expect(facts.price!.outputPicoUsd >= target.price!.outputPicoUsd).toBe(true);
      }
    }
  });

  it('uses the least restrictive value where its targets differ', () => {
    const one: ModelFacts = {
      id: 'one',
      family: 'o200k',
      contextTokens: 10,
      maxOutputTokens: 5,
      outputField: 'max_completion_tokens',
      price: { inputPicoUsd: 1n, cachedInputPicoUsd: 1n, outputPicoUsd: 9n, asOf: '2026-01', source: 'a' },
      imageTokens: { most: 10, low: 1 },
    };
    const other: ModelFacts = {
      ...one,
      id: 'other',
      family: 'claude',
      maxOutputTokens: 7,
      outputField: 'max_tokens',
      price: {
        inputPicoUsd: 2n,
        cachedInputPicoUsd: 0n,
        outputPicoUsd: 8n,
        asOf: '2025-01',
        source: 'b',
        longPrompts: { aboveTokens: 4, inputPicoUsd: 3n, cachedInputPicoUsd: 0n, outputPicoUsd: 8n },
      },
    };
    const { imageTokens: _imageTokens, ...unpublished } = other;
    expect(dearest('alias', [one, other])).toEqual({
      id: 'alias',
      family: 'unknown',
      contextTokens: 10,
      maxOutputTokens: 7,
      outputField: 'max_tokens',
      imageTokens: { most: 10, low: 1 },
      price: {
        inputPicoUsd: 2n,
        cachedInputPicoUsd: 1n,
        outputPicoUsd: 9n,
        asOf: '2025-01',
        source: 'b',
        longPrompts: { aboveTokens: 4, inputPicoUsd: 3n, cachedInputPicoUsd: 1n, outputPicoUsd: 9n },
      },
    });
    expect(dearest('alias', [one, { ...other, limitMustBeWritten: true }])).toMatchObject({ limitMustBeWritten: true });
    expect(dearest('alias', [one, { ...other, price: null }]).price).toBeNull();
    expect(dearest('alias', [one, unpublished]).imageTokens).toBeUndefined();
  });
});

describe('a model of the operator', () => {
  it('is stored as written, to the last decimal', () => {
    const price = { input: 0.075, cached_input: '0.000001', output: 123456789.1, as_of: '2026-11-01' };
    expect(known([{ ...OWN, family: 'qwen', output_field: 'max_completion_tokens', price }]).find('own')).toEqual({
      id: 'own',
      family: 'qwen',
      contextTokens: 1000,
      maxOutputTokens: 100,
      outputField: 'max_completion_tokens',
      limitMustBeWritten: true,
      price: {
        inputPicoUsd: 75_000n,
        cachedInputPicoUsd: 1n,
        outputPicoUsd: 123_456_789_100_000n,
        asOf: '2026-11-01',
        source: 'GATEHOUSE_MODELS',
      },
    });
  });

  it('has no price where none was written, and full-price cached tokens where theirs was not', () => {
    expect(known([OWN]).find('own')).toMatchObject({ family: 'unknown', outputField: 'max_tokens', price: null });
    expect(known([{ ...OWN, price: { input: 2, output: 3 } }]).find('own')?.price).toMatchObject({
      cachedInputPicoUsd: 2_000_000n,
    });
  });

  it('replaces a built-in one or an alias', () => {
    expect(known([{ ...OWN, id: 'gpt-4o' }]).find('openai/gpt-4o')).toMatchObject({ contextTokens: 1000, price: null });
  });

  it.each([
    ['{', 'must be a JSON array of models'],
    [{}, 'must be a JSON array of models'],
    [[3], '[0]: must be an object'],
    [[{ ...OWN, id: undefined }], '[0].id: must be a string'],
    [[OWN, { ...OWN, id: '' }], '[1].id: must not be empty'],
    [[OWN, OWN], 'names own twice'],
    [[{ ...OWN, family: 'gpt' }], '[0].family: must be one of o200k'],
    [[{ ...OWN, context_tokens: 1.5 }], '[0].context_tokens: must be a whole number'],
    [[{ ...OWN, max_output_tokens: 0 }], '[0].max_output_tokens: must be at least 1'],
    [[{ ...OWN, output_field: 'n' }], '[0].output_field: must be max_tokens or'],
    [[{ ...OWN, contextTokens: 1 }], '[0]: has unknown fields: contextTokens'],
    [[{ ...OWN, price: { input: 1 } }], '[0].price.output: must be dollars'],
    [[{ ...OWN, price: { input: -1, output: 1 } }], '[0].price.input: must be dollars'],
    [[{ ...OWN, price: { input: 1e-7, output: 1 } }], '[0].price.input: must be dollars'],
    [[{ ...OWN, price: { input: '1.0000001', output: 1 } }], '[0].price.input: must be dollars'],
    [[{ ...OWN, price: { input: '', output: 1 } }], '[0].price.input: must be dollars'],
    [[{ ...OWN, price: { input: 1, output: 1, as_of: 'now' } }], '[0].price.as_of: must be a date'],
  ])('that is written wrongly stops the start, by name: %j', (models, problem) => {
    const text = typeof models === 'string' ? models : JSON.stringify(models);
    expect(() => loadSettings({ GATEHOUSE_MODELS: text })).toThrow(`GATEHOUSE_MODELS ${problem}`);
  });
});
