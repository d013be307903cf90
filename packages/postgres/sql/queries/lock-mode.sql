-- Waits for the transactions that write in the partition under its mode (see {session_fence}), and keeps others out
-- until this one ends.
--
-- $1 integer partition
SELECT pg_advisory_xact_lock(({session_literal}::regclass::oid::bigint << 32) | $1::integer)
