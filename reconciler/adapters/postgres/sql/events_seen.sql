-- which of these events have been handled before
SELECT id FROM reconciler.events WHERE account = %(account)s AND id = ANY (%(ids)s::text[])
