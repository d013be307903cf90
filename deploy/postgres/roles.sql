-- Roles with no more rights than they need, and a schema. Run it once, as a superuser, in the database the rows go to:
--
--   psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -v schema=cauce -v migrator=cauce_migrator -v consumer=cauce_consumer \
--     -v loader=cauce_loader -f roles.sql
--
-- Then give each role a password (\password cauce_migrator), run `cauce migrate --schema cauce` as the migrator, and
-- grants.sql.

CREATE ROLE :"migrator" LOGIN;
CREATE ROLE :"consumer" LOGIN;
CREATE ROLE :"loader" LOGIN;

CREATE SCHEMA IF NOT EXISTS :"schema";
GRANT USAGE, CREATE ON SCHEMA :"schema" TO :"migrator";
GRANT USAGE ON SCHEMA :"schema" TO :"consumer", :"loader";
