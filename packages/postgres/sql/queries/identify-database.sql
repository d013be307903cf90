-- Where the table lies: on which server, on which timeline of its history (a promotion and a restore to a point in time
-- begin a new one, and both may take commits back), in which database, and as which relation: a table that was
-- restored, or copied to another database or schema, is another one.
--
-- Returns database text: system identifier / timeline / oid of the database / oid of the table
SELECT concat_ws('/',
         (pg_control_system()).system_identifier,
         substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
         (SELECT oid FROM pg_database WHERE datname = current_database()),
         {session_literal}::regclass::oid
       ) AS database
