-- No row gets a version that Redis cannot count on from (MAX_VERSION of the protocol). The table is locked while its
-- rows are read. `migrate` says what to do about a row that has such a version already.
ALTER TABLE {session} ADD CONSTRAINT countable_version CHECK (version <= 4503599627370495);
