/**
 * Any sequence of operations on budgets of nested holders, over periods that roll in four time zones, leaves the rows, the
 * verdicts and the webhooks as a small model says, and each epoch as the ledger has it.
 */
import { runBudgets } from '../support/budget-run.js';
import { createTestDatabase } from '../support/postgres.js';
import { inForm } from '../support/proof-form.js';

it.each([7, 11])('budgets do what the model says, from seed %i on', async (seed) => {
  const database = await createTestDatabase();
  try {
    const counts = await runBudgets(database.superuserUrl, { operations: inForm(400, 20_000), seed });
    // The run went where it should: every verdict, every kind of change, many ended epochs.
    for (const kind of ['admitted', 'exceeded', 'busy', 'boundless', 'unpriced', 'repeated', 'settled', 'swept'])
      expect(counts).toHaveProperty(kind, expect.any(Number));
    for (const kind of ['set', 'set again', 'removed', 'erased', 'events', 'epochs'])
      expect(counts).toHaveProperty(kind, expect.any(Number));
  } finally {
    await database.drop();
  }
});
