-- Which database this is, and on which timeline of its history: a promotion and a restore to a point in time begin a
-- new one, and both may take commits back.
--
-- Returns database text
SELECT (pg_control_system()).system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
  AS database
