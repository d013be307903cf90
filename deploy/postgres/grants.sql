-- What the consumer and the bot's loader may do with the tables. Run it as the migrator after every `cauce migrate`:
--
--   psql "$MIGRATOR_URL" -v ON_ERROR_STOP=1 -v schema=cauce -v consumer=cauce_consumer -v loader=cauce_loader \
--     -f grants.sql
--
-- With a SESSION_DB_TABLE other than `session`, change the names of the tables.

-- DELETE is for the purge alone.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"schema".session TO :"consumer";
GRANT SELECT, INSERT, DELETE ON :"schema".session_conflict TO :"consumer";
GRANT SELECT, INSERT ON :"schema".session_layout TO :"consumer";
GRANT SELECT ON :"schema".session_identity TO :"consumer", :"loader";

-- INSERT and UPDATE are for saves with `durability: 'postgres'`, and for direct saves, alone.
GRANT SELECT, INSERT, UPDATE ON :"schema".session TO :"loader";
-- For direct saves alone.
GRANT SELECT ON :"schema".session_layout TO :"loader";
