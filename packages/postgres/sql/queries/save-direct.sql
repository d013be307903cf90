-- Saves one session directly, if its partition is in direct mode.
--
-- $1 integer partition   $2 integer how many partitions there are   $3 text tenant id   $4 text user id
-- $5 text state, JSON; NULL = tombstone   $6 text op id   $7 text if_version; NULL = no condition
-- Returns outcome, version text, mode: as {session_save} says.
SELECT saved.outcome, saved.version::text AS version, saved.mode
FROM {session_save}($1, $2, $3, $4, $5::jsonb, $6, $7::bigint) AS saved
