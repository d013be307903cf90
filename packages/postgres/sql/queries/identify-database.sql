-- The place of the table: server, timeline, database and relation. A promotion and a point-in-time recovery begin a new
-- timeline, and both may lose commits. A table that was restored, or copied to another database or schema, is another
-- relation.
--
-- Returns database text: system identifier / timeline / oid of the database / oid of the table
SELECT concat_ws('/',
         (pg_control_system()).system_identifier,
         substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
         (SELECT oid FROM pg_database WHERE datname = current_database()),
         {session_literal}::regclass::oid
       ) AS database
