-- How long a call's caller waited for the first of the answer, from the reservation on; null: no answer came from a provider.
ALTER TABLE usage_records ADD COLUMN first_byte_ms integer;
