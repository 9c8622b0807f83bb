-- the time is that of the first time that it was said
UPDATE reconciler.services
SET error = %(error)s::text,
    error_at = CASE WHEN %(error)s::text IS NULL THEN NULL WHEN error = %(error)s::text THEN error_at ELSE now() END,
    needs_person = %(needs_person)s
WHERE account = %(account)s AND epoch = %(epoch)s
    AND (error IS DISTINCT FROM %(error)s::text OR needs_person <> %(needs_person)s)
