-- Which rows of a batch the fence keeps out. A period that is over never comes again, so what it kept out it still does.
--
-- $1 text[] scope of each: its partition as 'p:0'; NULL = not taken from Redis   $2 text[] period in which it was taken
-- Returns position (0-based, as given)
SELECT (taken.ordinality - 1)::integer AS position
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS taken (scope, period)
WHERE NOT
--#include accepts
