-- The fence of the upsert: nobody changes the writer mode of these partitions until the transaction ends. A statement of
-- its own, before the upsert: see {session_fence}.
--
-- $1 integer[] partitions
SELECT count(pg_advisory_xact_lock_shared(({session_literal}::regclass::oid::bigint << 32) | partition))
FROM unnest($1::integer[]) AS partition
