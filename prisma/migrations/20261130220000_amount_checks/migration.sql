-- A check is read anew from its text by each statement that writes to its table: these were a twentieth of what a call costs.
-- check_budget refuses a negative amount when it is set, and admit_usage, which alone writes reservations, a negative call.
ALTER TABLE budgets
  DROP CONSTRAINT budgets_amount_check,
  DROP CONSTRAINT budgets_raise_by_check;

ALTER TABLE usage_records
  DROP CONSTRAINT usage_records_reserved_input_tokens_check,
  DROP CONSTRAINT usage_records_reserved_output_tokens_check,
  DROP CONSTRAINT usage_records_reserved_cost_pico_usd_check;
DO $$
DECLARE
  v_partition regclass;
BEGIN
  -- A partition was made as a table of its own, whose checks are its own too.
  FOR v_partition IN SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'usage_records'::regclass LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS usage_records_reserved_input_tokens_check, '
                   'DROP CONSTRAINT IF EXISTS usage_records_reserved_output_tokens_check, '
                   'DROP CONSTRAINT IF EXISTS usage_records_reserved_cost_pico_usd_check', v_partition);
  END LOOP;
END
$$;
