-- What is there before the tables are created. Needs no rights.
--
-- $1 text schema   $2 text[] names of tables
-- Returns encoding text of the database, has_schema boolean, found text[]: the names that are taken
SELECT current_setting('server_encoding') AS encoding,
       EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1::text) AS has_schema,
       ARRAY(
         SELECT relname::text
         FROM pg_catalog.pg_class
         JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = $1::text AND relname = ANY ($2::text[])
       ) AS found
