-- Postgres sums bigints in numerics, so that no sum overflows. A batch's sums by budget are far below the bound of a bigint, and
-- with three budgets a call these were a twentieth of what it costs Postgres. An overflow is an error here too (22003).
CREATE AGGREGATE sum_bigint(bigint) (SFUNC = int8pl, STYPE = bigint, PARALLEL = SAFE);
REVOKE EXECUTE ON FUNCTION sum_bigint(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sum_bigint(bigint) TO gatehouse_definer;
