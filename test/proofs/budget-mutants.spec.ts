/** The model of budgets finds mistakes: each of these changes of the database's functions must cause a difference. */
import { readFileSync } from 'node:fs';
import { runBudgets } from '../support/budget-run.js';
import { createTestDatabase } from '../support/postgres.js';
import { inForm } from '../support/proof-form.js';
import { rowsOf } from '../support/sql.js';

interface Mutant {
  readonly what: string;
  readonly file: string;
  readonly from: string | RegExp;
  readonly to: string;
}

const MUTANTS: readonly Mutant[] = [
  {
    what: 'a batch that is one unit too much fits as a whole',
    file: 'admit_usage',
    from: /(sum_bigint\(p\.need\)|b\.held) <= /g,
    to: '$1 - 1000000 <= ',
  },
  {
    what: 'a charge goes into whichever epoch is there',
    file: 'charge_budgets',
    from: ' AND b.epoch = d.epoch',
    to: '',
  },
  {
    what: 'an alert mark is told again',
    file: 'charge_budgets',
    from: 'm.mark > t.told_before AND m.mark <= t.told',
    to: 'm.mark <= t.told',
  },
  {
    what: 'a call that one unit too much is held for passes',
    file: 'judge_calls',
    from: '+ v_need > v_allowed[v_slot]',
    to: '+ v_need > v_allowed[v_slot] + 1000000',
  },
  {
    what: 'charges of ended epochs are lost',
    file: 'charge_budgets',
    from: 'IF v_charged < v_due THEN',
    to: 'IF false THEN',
  },
  {
    what: 'a raise has no end',
    file: 'judge_calls',
    from: /CASE WHEN b\.raise_until > p_now THEN b\.raise_by ELSE 0 END/g,
    to: 'b.raise_by',
  },
  { what: 'a refusal is told each time', file: 'judge_calls', from: ' AND NOT v_told[v_slot]', to: '' },
  {
    what: 'budgets of some models judge all',
    file: 'admit_usage',
    from: '(b.models IS NULL OR a.model = ANY (b.models))',
    to: 'true',
  },
  {
    what: 'a default output is ignored',
    file: 'wanted_outputs',
    from: 'WHEN c.default_output IS NULL',
    to: 'WHEN true',
  },
  {
    what: 'an orphan is charged its answer alone',
    file: 'sweep_usage',
    from: 'input_tokens = r.reserved_input_tokens',
    to: 'input_tokens = 0',
  },
  {
    what: 'a set keeps the epoch of a sum',
    file: 'set_budget',
    from: "v_now, p_period = 'NONE')",
    to: 'v_now, false)',
  },
  {
    what: 'a new budget does not count what was used before',
    file: 'set_budget',
    from: 'PERFORM count_used(v_id)',
    to: 'NULL',
  },
];

it.each(MUTANTS.slice(0, inForm(2, MUTANTS.length)))(
  'the model finds this mistake: $what',
  async ({ file, from, to }) => {
    const text = readFileSync(`prisma/functions/${file}.sql`, 'utf8');
    const mutant = text.replace(from, to);
    expect(mutant).not.toBe(text);
    const database = await createTestDatabase();
    try {
      await rowsOf(database.superuserUrl, mutant);
      await expect(runBudgets(database.superuserUrl, { operations: 4000, seed: 5 })).rejects.toMatchObject({
        code: 'ERR_ASSERTION',
      });
    } finally {
      await database.drop();
    }
  },
);
