-- Each call updates its budgets. For each update Postgres reads the table's generated columns and its checks anew from their
-- text, a fifth of what three limits of a human cost: fill_budget does both once, for each new row, since no role may change
-- the columns that they read.
ALTER TABLE budgets
  ALTER COLUMN is_metered DROP EXPRESSION,
  ALTER COLUMN key_id DROP EXPRESSION,
  ALTER COLUMN human_id DROP EXPRESSION,
  DROP CONSTRAINT budgets_holder_check,
  DROP CONSTRAINT budgets_type_check,
  DROP CONSTRAINT budgets_period_check;

-- So are the ledger's, by each reservation and settlement. Only functions write these two columns, and only constants.
ALTER TABLE usage_records
  DROP CONSTRAINT usage_records_kind_check,
  DROP CONSTRAINT usage_records_state_check;
DO $$
DECLARE
  v_partition regclass;
BEGIN
  -- A partition was made as a table of its own, whose checks are its own too.
  FOR v_partition IN SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'usage_records'::regclass LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS usage_records_kind_check, '
                   'DROP CONSTRAINT IF EXISTS usage_records_state_check', v_partition);
  END LOOP;
END
$$;
