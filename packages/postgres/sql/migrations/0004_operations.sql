-- The last four saves of a session, so that a repeated op id is recognised also when Redis does not have the session.
ALTER TABLE {session} ADD COLUMN operations text;

COMMENT ON COLUMN {session}.operations IS 'Op id and version of the last four saves, newest first: "opId=version …".';
