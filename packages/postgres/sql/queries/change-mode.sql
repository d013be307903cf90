-- Changes the writer mode of a partition, if nobody changed it since it was read. Right after lock-mode.sql, in the same
-- transaction: so it does not wait, and its clock is not from before a save that it waited for.
--
-- $1 integer partition   $2 text mode it has   $3 text its term   $4 text new mode
-- $5 boolean whether a new period in Redis begins with it
-- $6 text floor: no version up to it was left out of sight; with one, versions are above the clock from now on, too.
--    NULL = the floor stays
-- $7 text who does it
-- Returns term text, period text, floor text; no row if the mode or the term is another one
UPDATE {session_mode} AS changed
SET mode = $4,
    term = changed.term + 1,
    period = CASE WHEN $5 THEN changed.term + 1 ELSE changed.period END,
    floor = CASE
      WHEN $6::bigint IS NULL THEN changed.floor
      ELSE greatest(changed.floor, $6::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    END,
    changed_at = clock_timestamp(),
    changed_by = $7
WHERE scope = 'p:' || $1::integer AND mode = $2 AND term = $3::bigint
RETURNING term::text AS term, period::text AS period, floor::text AS floor
