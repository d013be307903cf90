-- What is checked before anything is synced: one row for each table.
--
-- Returns encoding text, role text, name text (quoted, with its schema), kind text (pg_class.relkind; NULL: there is
-- no such table), lacking text[]: the privileges that the role needs and does not have
SELECT current_setting('server_encoding') AS encoding,
       current_user::text AS role,
       needed.name,
       class.relkind::text AS kind,
       ARRAY(
         SELECT privilege FROM unnest(needed.privileges) AS privilege
         -- Grants of the columns in use are enough.
         WHERE NOT CASE privilege
           WHEN 'DELETE' THEN has_table_privilege(class.oid, privilege)
           ELSE has_any_column_privilege(class.oid, privilege)
         END
       ) AS lacking
FROM (VALUES
  ({session_literal}, ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
  ({session_conflict_literal}, ARRAY['SELECT', 'INSERT', 'DELETE']),
  ({session_layout_literal}, ARRAY['SELECT', 'INSERT']),
  ({session_identity_literal}, ARRAY['SELECT']),
  ({session_mode_literal}, ARRAY['SELECT'])
) AS needed (name, privileges)
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = to_regclass(needed.name)
