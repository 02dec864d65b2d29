-- Says that the functions of the metrics are there (`*_queue_state`, `*_versions`): a version without this migration leaves them
-- as they are when it starts beside a newer one.
SELECT 1;
