// Compares the prices of the built-in models with @pydantic/genai-prices, whose data comes with the package: nothing is
// fetched. Prints a row for each that differs, or that the package does not know. With `--strict` it fails where one differs.
import { calcPrice } from '@pydantic/genai-prices';
import { KNOWN_MODELS } from '../dist/llm/models/known-models.js';

/** Rows that differ on purpose, each with the reason. */
const KEPT = {
  'claude-sonnet-5-5': 'the package takes the name for claude-sonnet-5',
  'mistral-small-latest': 'the name leads to mistral-small-2603, of which the package says what we say',
  'deepseek-chat': "the package has the prices of before September 2025; ours are DeepSeek's later ones",
  'deepseek-reasoner': "the package has the prices of before September 2025; ours are DeepSeek's later ones",
  'claude-sonnet-4-20250514': 'the package leaves out the price of long prompts',
};
const STALE_AFTER_DAYS = 180;

function providerOf(id) {
  if (/^(gpt|o\d|chatgpt)/.test(id)) return 'openai';
  if (/^claude/.test(id)) return 'anthropic';
  if (/^gemini/.test(id)) return 'google';
  return /^deepseek/.test(id) ? 'deepseek' : 'mistral';
}

/** Input, cached input, output, cache writes. A kind without a price of its own costs what input does. */
const FIELDS = ['input_mtok', 'cache_read_mtok', 'output_mtok', 'cache_write_mtok'];

function pricesOf(model, longPrompt) {
  const usage = { input_tokens: longPrompt ? 1_000_000 : 1, output_tokens: 1 };
  const found = calcPrice(usage, model.id, { providerId: providerOf(model.id) });
  if (!found) return null;
  const amounts = FIELDS.map((field) => {
    const price = found.model_price[field];
    if (typeof price !== 'object') return price;
    return longPrompt ? price.tiers.at(-1).price : price.base;
  });
  return amounts.map((amount) => amount ?? amounts[0]);
}

function ownPrices([input, cachedInput, output, cacheWrite = input]) {
  return [input, cachedInput, output, cacheWrite].map(Number);
}

const same = (one, other) => one.every((amount, index) => Math.abs(amount - other[index]) < 1e-9);
const text = (prices) => prices.join(' / ');

const rows = [];
for (const { asOf: pageAsOf, models } of KNOWN_MODELS) {
  for (const model of models.filter(({ price }) => price !== undefined)) {
    const asOf = model.asOf ?? pageAsOf;
    const ageDays = Math.floor((Date.now() - Date.parse(asOf)) / 86_400_000);
    const age = ageDays > STALE_AFTER_DAYS ? 'old' : '';
    const [short, long] = [pricesOf(model, false), pricesOf(model, true)];
    const own = ownPrices(model.price);
    const ownLong = ownPrices((model.longPrompts ?? model).price);
    const row = { model: model.id, asOf, age, ours: text(own), theirs: short === null ? '' : text(short), note: '' };
    if (short === null) rows.push({ ...row, state: 'unknown' });
    else if (same(own, short) && same(ownLong, long)) rows.push({ ...row, state: 'equal' });
    else {
      const isLong = same(own, short);
      rows.push({
        ...row,
        ...(isLong ? { ours: `long: ${text(ownLong)}`, theirs: `long: ${text(long)}` } : {}),
        state: model.id in KEPT ? 'kept' : 'differs',
        note: KEPT[model.id] ?? '',
      });
    }
  }
}

const counted = (state) => rows.filter((row) => row.state === state).length;
console.log('Dollars for a million tokens: input / cached input / output / cache writes\n');
console.table(
  rows.filter(({ state }) => state !== 'equal'),
  ['model', 'state', 'asOf', 'age', 'ours', 'theirs', 'note'],
);
const states = ['equal', 'kept', 'unknown', 'differs'].map((state) => `${counted(state)} ${state}`);
const old = rows.filter(({ age }) => age !== '').length;
console.log(`${rows.length} priced models: ${states.join(', ')}; ${old} read more than ${STALE_AFTER_DAYS} days ago.`);
if (process.argv.includes('--strict') && counted('differs') > 0) process.exitCode = 1;
